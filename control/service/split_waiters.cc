#include "control/service/split_waiters.h"

namespace causeway {

SplitWaiters::Waiter::Waiter(SplitWaiters* waiters, const std::string& name)
    : waiters_(*waiters), name_(name) {
  absl::MutexLock lock(&waiters_.mutex_);
  Split& split = waiters_.splits_[name_];
  ++split.interested;
  seen_ = split.changes;
}

SplitWaiters::Waiter::~Waiter() {
  absl::MutexLock lock(&waiters_.mutex_);
  const auto found = waiters_.splits_.find(name_);
  if (--found->second.interested == 0) waiters_.splits_.erase(found);
}

bool SplitWaiters::Waiter::Wait(absl::Time deadline) {
  absl::MutexLock lock(&waiters_.mutex_);
  if (waiters_.waiting_ >= waiters_.max_waiters_) return false;
  ++waiters_.waiting_;
  bool in_time = true;
  while (waiters_.splits_[name_].changes == seen_ && !waiters_.sent_home_ && in_time) {
    in_time = !waiters_.changed_.WaitWithDeadline(&waiters_.mutex_, deadline);
  }
  --waiters_.waiting_;
  const uint64_t changes = waiters_.splits_[name_].changes;
  const bool changed = changes != seen_ && !waiters_.sent_home_;
  seen_ = changes;
  return changed;
}

void SplitWaiters::Changed(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  const auto found = splits_.find(name);
  if (found == splits_.end()) return;
  ++found->second.changes;
  changed_.SignalAll();
}

void SplitWaiters::SendHome() {
  absl::MutexLock lock(&mutex_);
  sent_home_ = true;
  changed_.SignalAll();
}

}  // namespace causeway
