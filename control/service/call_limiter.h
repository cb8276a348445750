// Which calls of agents run.

#ifndef CAUSEWAY_CONTROL_SERVICE_CALL_LIMITER_H_
#define CAUSEWAY_CONTROL_SERVICE_CALL_LIMITER_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace causeway {

// Keeps an agent that floods from taking the threads of the others. Thread-safe.
class CallLimiter {
 public:
  explicit CallLimiter(size_t max_calls_per_agent) : max_calls_per_agent_(max_calls_per_agent) {}
  CallLimiter(const CallLimiter&) = delete;
  CallLimiter& operator=(const CallLimiter&) = delete;

  // A running call, from Enter() to destruction. Move-only.
  class Place {
   public:
    Place(Place&& other) noexcept
        : limiter_(std::exchange(other.limiter_, nullptr)), caller_(std::move(other.caller_)) {}
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    friend class CallLimiter;
    Place(CallLimiter* limiter, std::string caller)
        : limiter_(limiter), caller_(std::move(caller)) {}

    CallLimiter* limiter_;
    std::string caller_;
  };

  // Begins a call of `caller`, any name for it. ResourceExhausted: it has too many running.
  // Unavailable: after Close().
  absl::StatusOr<Place> Enter(const std::string& caller);

  // Lets nobody in any more, and waits until no call runs, or until `deadline`.
  void Close(absl::Time deadline);

 private:
  bool NoneRuns() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_.empty(); }

  const size_t max_calls_per_agent_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<std::string, size_t> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_CALL_LIMITER_H_
