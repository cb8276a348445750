#include "agents/cli/copy_job.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agents/cli/attach.h"
#include "agents/split.h"

namespace causeway {
namespace {

// How often the coordinator is asked how far the workers are. A worker's end is heard at once.
constexpr absl::Duration kAskInterval = absl::Milliseconds(50);

// Workers that may be replaced, for each that was asked for, before the job is given up: something
// on this machine kills them all.
constexpr uint64_t kReplacementsPerWorker = 4;

}  // namespace

absl::Status CopyJob::Run(const CopySource& source, const CopyTarget& target) {
  absl::StatusOr<std::unique_ptr<Agent>> agent =
      AttachTo(options_.dir, absl::StrCat("copy ", getpid()));
  if (!agent.ok()) return agent.status();
  const absl::StatusOr<BroughtFile> from =
      (*agent)->BringFile(source.fd(), source.path(), FileAccess::kRead);
  if (!from.ok()) return from.status();
  const absl::StatusOr<BroughtFile> to =
      (*agent)->BringFile(target.fd(), target.path(), FileAccess::kReadWrite);
  if (!to.ok()) return to.status();

  split_name_ = absl::StrCat("copy-", getpid(), "-", absl::ToUnixMicros(absl::Now()));
  const absl::StatusOr<std::unique_ptr<Split>> split =
      (*agent)->OpenSplit({.name = split_name_,
                           .source = *from,
                           .target = *to,
                           .length = source.size(),
                           .extent_bytes = options_.extent_bytes});
  if (!split.ok()) return split.status();
  // More workers than extents would only attach and leave.
  const uint64_t workers = std::min(options_.workers, (*split)->extent_count());
  for (uint64_t i = 0; i < workers; ++i) {
    if (absl::Status status = StartWorker(); !status.ok()) return status;
  }
  Progress progress({"copied"}, source.size());
  const absl::Status status = Follow(**split, progress);
  // Workers have nothing more to do, and nothing to tidy up; they must not find the split closed.
  for (size_t child = first_worker_; child < first_worker_ + started_; ++child) {
    group_.Signal(child, SIGKILL);
  }
  if (options_.progress_width > 0) ShowProgress(progress.Erase());
  return status;
}

absl::Status CopyJob::StartWorker() {
  const absl::StatusOr<size_t> child =
      group_.Start({.name = absl::StrCat("worker ", ++started_),
                    .args = {kCopyWorker, absl::StrCat("--dir=", options_.dir),
                             absl::StrCat("--split=", split_name_)}});
  if (!child.ok()) return child.status();
  if (started_ == 1) first_worker_ = *child;
  return absl::OkStatus();
}

absl::Status CopyJob::Follow(const Split& split, Progress& progress) {
  while (true) {
    const absl::StatusOr<ProcessEvent> event = group_.Next(absl::Now() + kAskInterval);
    if (!event.ok()) return event.status();
    if (event->kind == ProcessEvent::Kind::kSignal) {
      signal_ = event->signal;
      return absl::CancelledError(absl::StrCat("interrupted by signal ", event->signal));
    }
    // A child's end is looked at after the split: it may have failed the split, and said why.
    const absl::StatusOr<SplitProgress> described = split.Describe();
    if (!described.ok()) return described.status();
    if (!described->failure.empty()) return absl::AbortedError(described->failure);
    progress.Update(0, described->completed_bytes, absl::Now());
    if (options_.progress_width > 0) ShowProgress(progress.Draw(options_.progress_width));
    if (described->completed == described->extent_count) return absl::OkStatus();
    if (event->kind != ProcessEvent::Kind::kExit) continue;
    if (absl::Status status = ObeyExit(*event); !status.ok()) return status;
  }
}

absl::Status CopyJob::ObeyExit(const ProcessEvent& event) {
  const std::string what = absl::StrCat(group_.name(event.child), " (pid ", group_.pid(event.child),
                                        ") ", DescribeWaitStatus(event.wait_status));
  // Only death by a signal is a worker's own affair: any other end would happen to the next too.
  if (event.child < first_worker_ || !WIFSIGNALED(event.wait_status)) {
    return absl::AbortedError(absl::StrCat(what, " before the copy was complete"));
  }
  if (started_ >= options_.workers * (1 + kReplacementsPerWorker)) {
    return absl::AbortedError(absl::StrCat(what, ", and so did those before it; ", started_,
                                           " workers were started. Find out what kills them"));
  }
  return StartWorker();
}

}  // namespace causeway
