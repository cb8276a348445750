#include "control/service/call_limiter.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace causeway {

absl::StatusOr<CallLimiter::Place> CallLimiter::Enter(const std::string& caller) {
  absl::MutexLock lock(&mutex_);
  if (closed_) {
    return absl::UnavailableError("the coordinator is stopping; try again with the next one");
  }
  size_t& running = running_[caller];
  if (running >= max_calls_per_agent_) {
    return absl::ResourceExhaustedError(absl::StrCat("the agent has ", running,
                                                     " calls running, the limit of one agent ",
                                                     "(max_calls_per_agent); wait for one to end"));
  }
  ++running;
  return Place(this, caller);
}

void CallLimiter::Close(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  mutex_.AwaitWithDeadline(absl::Condition(this, &CallLimiter::NoneRuns), deadline);
}

CallLimiter::Place::~Place() {
  if (limiter_ == nullptr) return;
  absl::MutexLock lock(&limiter_->mutex_);
  const auto found = limiter_->running_.find(caller_);
  if (--found->second == 0) limiter_->running_.erase(found);
}

}  // namespace causeway
