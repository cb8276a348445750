// A call that comes some time later, on the loop's thread.

#ifndef CAUSEWAY_CONTROL_HANDOFF_LOOP_TIMER_H_
#define CAUSEWAY_CONTROL_HANDOFF_LOOP_TIMER_H_

#include <chrono>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "control/handoff/event_loop.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Thread-safe. The loop must be stopped before this object goes away.
class LoopTimer {
 public:
  // Nothing is called before it is armed. ResourceExhausted: no descriptor left, or
  // fs.epoll.max_user_watches.
  static absl::StatusOr<std::unique_ptr<LoopTimer>> Create(EventLoop* loop,
                                                           std::chrono::milliseconds delay,
                                                           std::function<void()> callback);
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

  // The callback is called once, `delay` from now; armed again meanwhile, `delay` from then.
  void Arm();

 private:
  LoopTimer(std::chrono::milliseconds delay, std::function<void()> callback);
  void Fired();

  const std::chrono::milliseconds delay_;
  const std::function<void()> callback_;
  const UniqueFd timer_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_LOOP_TIMER_H_
