#include "control/handoff/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "mmapcore/errno_status.h"

namespace causeway {

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Start() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return StatusFromErrno(errno, {.operation = "epoll_create1"});
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return StatusFromErrno(errno, {.operation = "eventfd"});
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = kWakeWatch}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return StatusFromErrno(errno, {.operation = "epoll_ctl"});
  }
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(UniqueFd epoll, UniqueFd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)) {
  thread_ = std::thread([this] { Run(); });
}

EventLoop::~EventLoop() {
  stopping_ = true;
  Wake();
  thread_.join();
}

absl::StatusOr<EventLoop::WatchId> EventLoop::Add(int descriptor, uint32_t events,
                                                  Callback callback) {
  absl::MutexLock lock(&mutex_);
  const WatchId watch = next_watch_++;
  epoll_event event = {.events = events, .data = {.u64 = watch}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
    return StatusFromErrno(errno, {.operation = "epoll_ctl(EPOLL_CTL_ADD)"});
  }
  watches_[watch] = {.descriptor = descriptor,
                     .callback = std::make_shared<const Callback>(std::move(callback))};
  return watch;
}

void EventLoop::Change(WatchId watch, uint32_t events) {
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(watch);
  if (found == watches_.end()) return;
  epoll_event event = {.events = events, .data = {.u64 = watch}};
  // Fails only for a descriptor that is not watched, which the map excludes.
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second.descriptor, &event);
}

void EventLoop::Remove(WatchId watch) {
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(watch);
  if (found == watches_.end()) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.descriptor, nullptr);
  watches_.erase(found);
}

void EventLoop::Post(std::function<void()> work) {
  {
    absl::MutexLock lock(&mutex_);
    posted_.push_back(std::move(work));
  }
  Wake();
}

void EventLoop::Wake() {
  // Fails only if the counter would overflow, and then the thread is about to wake anyway.
  eventfd_write(wake_.get(), 1);
}

void EventLoop::Run() {
  std::array<epoll_event, 64> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    for (int i = 0; i < count && !stopping_; ++i) {
      if (events[i].data.u64 == kWakeWatch) {
        RunPosted();
      } else {
        Dispatch(events[i].data.u64, events[i].events);
      }
    }
  }
}

void EventLoop::Dispatch(WatchId watch, uint32_t events) {
  std::shared_ptr<const Callback> callback;
  {
    // An earlier callback of this round may have removed the watch: ids tell, descriptors would
    // not.
    absl::MutexLock lock(&mutex_);
    const auto found = watches_.find(watch);
    if (found == watches_.end()) return;
    callback = found->second.callback;
  }
  (*callback)(events);
}

void EventLoop::RunPosted() {
  eventfd_t count;
  eventfd_read(wake_.get(), &count);
  std::vector<std::function<void()>> work;
  {
    absl::MutexLock lock(&mutex_);
    work.swap(posted_);
  }
  for (const std::function<void()>& item : work) {
    if (stopping_) return;
    item();
  }
}

}  // namespace causeway
