#include "control/handoff/loop_timer.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "mmapcore/errno_status.h"

namespace causeway {

absl::StatusOr<std::unique_ptr<LoopTimer>> LoopTimer::Create(EventLoop* loop,
                                                             std::chrono::milliseconds delay,
                                                             std::function<void()> callback) {
  std::unique_ptr<LoopTimer> timer(new LoopTimer(delay, std::move(callback)));
  if (!timer->timer_.valid()) {
    return StatusFromErrno(errno, {.operation = "timerfd_create", .path = "a timer"});
  }
  absl::StatusOr<EventLoop::WatchId> watch =
      loop->Add(timer->timer_.get(), EPOLLIN, [raw = timer.get()](uint32_t) { raw->Fired(); });
  if (!watch.ok()) return watch.status();
  return timer;
}

LoopTimer::LoopTimer(std::chrono::milliseconds delay, std::function<void()> callback)
    : delay_(delay),
      callback_(std::move(callback)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

void LoopTimer::Arm() {
  itimerspec when = {};
  when.it_value.tv_sec = delay_.count() / 1000;
  when.it_value.tv_nsec = delay_.count() % 1000 * 1'000'000;
  timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void LoopTimer::Fired() {
  uint64_t times = 0;
  if (read(timer_.get(), &times, sizeof(times)) == sizeof(times)) callback_();
}

}  // namespace causeway
