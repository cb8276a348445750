// One thread that waits for many descriptors.

#ifndef CAUSEWAY_CONTROL_HANDOFF_EVENT_LOOP_H_
#define CAUSEWAY_CONTROL_HANDOFF_EVENT_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Waits in epoll_wait() without a timeout and calls back on its own thread: only the kernel's
// events wake it. Callbacks must not block; while one runs, nothing else of this loop does.
class EventLoop {
 public:
  // Names one watch; never reused.
  using WatchId = uint64_t;
  // `events` are epoll's: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR.
  using Callback = std::function<void(uint32_t events)>;

  // Starts the thread. ResourceExhausted: no descriptor or no thread left.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Start();

  // Stops the thread and waits for it; what is still posted is dropped. Not on the loop's thread.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls `callback` whenever one of `events`, or EPOLLHUP or EPOLLERR, holds (level-triggered),
  // until Remove(). `descriptor` must stay open until then. From any thread.
  // ResourceExhausted: fs.epoll.max_user_watches.
  absl::StatusOr<WatchId> Add(int descriptor, uint32_t events, Callback callback);

  // Changes what is waited for. From any thread. Of a watch that was removed: nothing.
  void Change(WatchId watch, uint32_t events);

  // After it returned on the loop's thread, the callback is not called again; on another thread, a
  // call that has begun may still run. Of a watch that was removed: nothing.
  void Remove(WatchId watch);

  // Runs `work` on the loop's thread, after what was posted before. From any thread.
  void Post(std::function<void()> work);

  bool OnLoopThread() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  struct Watch {
    int descriptor;
    std::shared_ptr<const Callback> callback;
  };

  EventLoop(UniqueFd epoll, UniqueFd wake);
  void Run();
  void Dispatch(WatchId watch, uint32_t events);
  void RunPosted();
  void Wake();

  // The watch of `wake_`; callers' watches are numbered from 1.
  static constexpr WatchId kWakeWatch = 0;

  const UniqueFd epoll_;
  const UniqueFd wake_;  // eventfd
  std::atomic<bool> stopping_ = false;
  absl::Mutex mutex_;
  WatchId next_watch_ ABSL_GUARDED_BY(mutex_) = kWakeWatch + 1;
  absl::flat_hash_map<WatchId, Watch> watches_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_EVENT_LOOP_H_
