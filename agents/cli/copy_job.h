// The owner's part of a copy: the split, the workers, and what happens when one of them dies.

#ifndef CAUSEWAY_AGENTS_CLI_COPY_JOB_H_
#define CAUSEWAY_AGENTS_CLI_COPY_JOB_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/agent.h"
#include "agents/cli/copy_files.h"
#include "agents/cli/process_group.h"
#include "agents/cli/progress.h"

namespace causeway {

// The hidden subcommand that a worker runs.
inline constexpr char kCopyWorker[] = "copy-worker";

struct CopyJobOptions {
  std::string dir;            // of the coordinator
  uint64_t workers = 2;       // processes
  uint64_t extent_bytes = 0;  // a multiple of the page size; 0: the coordinator chooses
  size_t progress_width = 0;  // columns of the terminal on standard error; 0: no progress is drawn
};

// Copies the bytes of one file into another with worker processes. Not thread-safe.
class CopyJob {
 public:
  // The group must outlive the job.
  CopyJob(ProcessGroup& group, CopyJobOptions options)
      : group_(group), options_(std::move(options)) {}

  // Blocks until every byte is copied, or it failed; then the workers may still be ending. A
  // worker that is killed is replaced; its extents go to others once its death is proven.
  //
  // Cancelled: a signal came: signal(). Aborted: what a worker said, or workers died again and
  // again. Errors of Agent's calls.
  absl::Status Run(const CopySource& source, const CopyTarget& target);

  // The signal that interrupted Run(); zero if none did.
  int signal() const { return signal_; }

 private:
  absl::Status StartWorker();
  absl::Status Follow(const Split& split, Progress& progress);
  absl::Status ObeyExit(const ProcessEvent& event);

  ProcessGroup& group_;
  const CopyJobOptions options_;
  std::string split_name_;
  size_t first_worker_ = 0;  // the group's children before it are not workers
  uint64_t started_ = 0;
  int signal_ = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_COPY_JOB_H_
