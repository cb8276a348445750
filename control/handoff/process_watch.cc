#include "control/handoff/process_watch.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <utility>

#include "absl/status/statusor.h"
#include "control/process/incarnation.h"

namespace causeway {

ProcessWatch::ProcessWatch(EventLoop* loop, OnExit on_exit, std::function<void()> try_later)
    : loop_(loop), on_exit_(std::move(on_exit)), try_later_(std::move(try_later)) {}

absl::Status ProcessWatch::Watch(uint64_t session_id, UniqueFd pidfd) {
  absl::MutexLock lock(&mutex_);
  ForgetLocked(session_id);
  Subject& subject = subjects_[session_id];
  subject.pidfd = std::move(pidfd);
  const absl::Status watched = WatchLocked(session_id, subject);
  if (!watched.ok()) try_later_();
  return watched;
}

absl::Status ProcessWatch::WatchLocked(uint64_t session_id, Subject& subject) {
  absl::StatusOr<EventLoop::WatchId> watch = loop_->Add(
      subject.pidfd.get(), EPOLLIN, [this, session_id](uint32_t) { Exited(session_id); });
  if (!watch.ok()) return watch.status();
  subject.watch = *watch;
  return absl::OkStatus();
}

UniqueFd ProcessWatch::Pidfd(uint64_t session_id) {
  absl::MutexLock lock(&mutex_);
  const auto found = subjects_.find(session_id);
  if (found == subjects_.end()) return UniqueFd();
  return UniqueFd(fcntl(found->second.pidfd.get(), F_DUPFD_CLOEXEC, 0));
}

void ProcessWatch::Retry() {
  absl::MutexLock lock(&mutex_);
  bool all = true;
  for (auto& [session_id, subject] : subjects_) {
    if (!subject.watch.has_value()) all = WatchLocked(session_id, subject).ok() && all;
  }
  if (!all) try_later_();
}

void ProcessWatch::Forget(uint64_t session_id) {
  absl::MutexLock lock(&mutex_);
  ForgetLocked(session_id);
}

void ProcessWatch::Exited(uint64_t session_id) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = subjects_.find(session_id);
    // Between the event and this call the session may have got another process.
    if (found == subjects_.end() || !HasExited(found->second.pidfd.get())) return;
    ForgetLocked(session_id);
  }
  on_exit_(session_id);
}

void ProcessWatch::ForgetLocked(uint64_t session_id) {
  const auto found = subjects_.find(session_id);
  if (found == subjects_.end()) return;
  if (found->second.watch.has_value()) loop_->Remove(*found->second.watch);
  subjects_.erase(found);
}

}  // namespace causeway
