#include "agents/cli/copy_worker.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/cli/attach.h"
#include "agents/cli/command_line.h"
#include "agents/split.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

absl::Status Shortened(uint64_t offset) {
  return absl::AbortedError(absl::StrCat("the source has no bytes at offset ", offset,
                                         " any more: it was shortened while it was copied"));
}

// Writes the mapped source into the target through its descriptor: pages that are wholly written
// need not be zeroed before, as pages of a mapping must be (docs/decisions/0010). A source that
// shrinks under the mapping makes the kernel's own access fail with EFAULT instead of SIGBUS here.
absl::Status CopyExtent(TakenExtent& extent) {
  absl::StatusOr<std::span<const std::byte>> source = extent.MapSource();
  CAUSEWAY_CRASH_POINT("copy_worker.extent.source_mapped");
  if (absl::IsOutOfRange(source.status())) return Shortened(extent.offset());
  if (!source.ok()) return source.status();
  for (uint64_t done = 0; done < source->size();) {
    const ssize_t written = RepeatIfInterrupted([&] {
      return pwrite(extent.target_fd(), source->data() + done, source->size() - done,
                    static_cast<off_t>(extent.offset() + done));
    });
    if (written < 0 && errno == EFAULT) {
      return Shortened(extent.offset() + done);
    }
    if (written < 0) {
      return StatusFromErrno(errno, {.operation = "pwrite",
                                     .path = "the target",
                                     .offset = extent.offset() + done,
                                     .length = source->size() - done});
    }
    CAUSEWAY_CRASH_POINT("copy_worker.extent.written");
    done += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status CopyExtents(const std::string& dir, const std::string& split) {
  absl::StatusOr<std::unique_ptr<Agent>> agent =
      AttachTo(dir, absl::StrCat("copy worker ", getpid()));
  if (!agent.ok()) return agent.status();
  CAUSEWAY_CRASH_POINT("copy_worker.attached");
  while (true) {
    absl::StatusOr<TakenExtent> extent = (*agent)->TakeExtent(split, absl::InfiniteDuration());
    CAUSEWAY_CRASH_POINT("copy_worker.extent.taken");
    // Another worker has failed the split, and said why.
    if (absl::IsAborted(extent.status())) return absl::OkStatus();
    if (!extent.ok()) return extent.status();
    if (!extent->granted()) return (*agent)->Detach();
    if (absl::Status copied = CopyExtent(*extent); !copied.ok()) {
      return extent->Fail(std::string(copied.message()));
    }
    CAUSEWAY_CRASH_POINT("copy_worker.extent.copied");
    if (absl::Status status = extent->Complete(); !status.ok()) return status;
    CAUSEWAY_CRASH_POINT("copy_worker.extent.completed");
  }
}

}  // namespace

int CopyWorkerMain(int argc, char** argv) {
  std::string dir;
  std::string split;
  CommandLine line("copy-worker", "Copies extents for `causeway copy`, which starts it.", "");
  line.Directory(&dir);
  line.Text("split", &split, "Name of the split to take extents of");
  absl::StatusOr<bool> run = line.Parse(argc, argv);
  if (!run.ok()) return Fail("copy-worker", run.status());
  if (!*run) return 0;
  absl::Status status = CopyExtents(dir, split);
  return status.ok() ? 0 : Fail("copy-worker", status);
}

}  // namespace causeway
