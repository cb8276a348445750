#include "agents/cli/copy.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agents/cli/command_line.h"
#include "agents/cli/copy_files.h"
#include "agents/cli/copy_job.h"
#include "agents/cli/ephemeral_coordinator.h"
#include "agents/cli/process_group.h"
#include "agents/cli/table.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

constexpr char kCommand[] = "copy";
constexpr uint64_t kMaxWorkers = 64;

constexpr char kExamples[] =
    "  causeway copy big.bin copy.bin\n"
    "  causeway copy --workers=4 --verify --preserve db.img /backup/\n"
    "\n"
    "DST appears only when it is complete, and atomically: until then the old file of that name,\n"
    "or none, is there. Holes of SRC become zeros. Exit status: 0, 1 if it failed, 2 for a\n"
    "mistake in the command.\n";

struct CopyFlags {
  std::string source;
  std::string target;
  std::string dir;
  uint64_t workers = 2;
  uint64_t extent_bytes = 0;
  bool verify = false;
  bool preserve = false;
  bool has_dir = false;
};

absl::StatusOr<bool> ParseFlags(int argc, char** argv, CopyFlags& flags) {
  CommandLine line(
      kCommand,
      "Copies a file with several processes: a coordinator gives each of them extents\n"
      "of both files, and gives a dead one's to the others.",
      kExamples);
  line.Positional("SRC", &flags.source, "File to copy");
  line.Positional("DST", &flags.target, "Its copy, or the directory to make it in");
  line.Count("workers", &flags.workers, "Copying processes, 1 to 64 (default 2)");
  line.Size("extent_bytes", &flags.extent_bytes,
            "Bytes that a worker is given at a time, a multiple of\nthe page size (default: by "
            "size)");
  line.Switch("verify", &flags.verify, "Read both files afterwards and compare every byte");
  line.Switch("preserve", &flags.preserve, "Keep mode and times, and the owner if permitted");
  line.Text("dir", &flags.dir, "Use the running coordinator of this directory");
  const absl::StatusOr<bool> parsed = line.Parse(argc, argv);
  if (!parsed.ok() || !*parsed) return parsed;
  flags.has_dir = line.Given("dir");
  if (flags.has_dir && flags.dir.empty()) {
    return absl::InvalidArgumentError("--dir is empty; name the coordinator's directory");
  }
  if (flags.workers < 1 || flags.workers > kMaxWorkers) {
    return absl::InvalidArgumentError(
        absl::StrCat("--workers is ", flags.workers, "; it must be 1 to ", kMaxWorkers));
  }
  if (!IsPageAligned(flags.extent_bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("--extent_bytes is ", flags.extent_bytes,
                                                   "; it must be a multiple of the page size, ",
                                                   PageSize()));
  }
  return true;
}

absl::Status CopyBytes(const CopyFlags& flags, const CopySource& source, const CopyTarget& target,
                       int& signal) {
  EphemeralCoordinator coordinator("");
  // Destroyed first: everything has stopped before the coordinator's directories are looked after.
  absl::StatusOr<ProcessGroup> group = ProcessGroup::Create();
  if (!group.ok()) return group.status();
  if (!flags.has_dir) {
    if (absl::Status status = coordinator.Start(*group, signal); !status.ok()) return status;
  }
  CopyJob job(*group, {.dir = flags.has_dir ? flags.dir : coordinator.dir(),
                       .workers = flags.workers,
                       .extent_bytes = flags.extent_bytes,
                       .progress_width = TerminalWidth(STDERR_FILENO)});
  absl::Status status = job.Run(source, target);
  if (signal == 0) signal = job.signal();
  return status;
}

absl::Status Run(const CopyFlags& flags, int& signal) {
  const absl::StatusOr<CopySource> source = CopySource::Open(flags.source);
  if (!source.ok()) return source.status();
  absl::StatusOr<CopyTarget> target = CopyTarget::Create(*source, flags.target);
  if (!target.ok()) return target.status();
  if (absl::Status status = target->Allocate(source->size()); !status.ok()) return status;
  if (source->size() > 0) {
    if (absl::Status status = CopyBytes(flags, *source, *target, signal); !status.ok()) {
      return status;
    }
  }
  if (flags.verify) {
    if (absl::Status status = CompareBytes(*source, *target); !status.ok()) return status;
  }
  if (absl::Status status = source->CheckUnchanged(); !status.ok()) return status;
  return target->Publish(*source, flags.preserve);
}

}  // namespace

int CopyMain(int argc, char** argv) {
  CopyFlags flags;
  const absl::StatusOr<bool> parsed = ParseFlags(argc, argv, flags);
  if (!parsed.ok()) return Fail(kCommand, parsed.status());
  if (!*parsed) return 0;
  int signal = 0;
  const absl::Status status = Run(flags, signal);
  if (signal != 0) EndBySignal(signal);
  return status.ok() ? 0 : Fail(kCommand, status);
}

}  // namespace causeway
