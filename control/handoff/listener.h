// A socket at which connections come in.

#ifndef CAUSEWAY_CONTROL_HANDOFF_LISTENER_H_
#define CAUSEWAY_CONTROL_HANDOFF_LISTENER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "control/handoff/event_loop.h"
#include "control/handoff/loop_timer.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Accepts connections on the thread of a loop. A connection that cannot be accepted still waits and
// keeps waking the loop; so where no descriptor is left it is refused, and where the kernel refuses
// to accept for want of anything else (ENOMEM, ENOBUFS) it waits for a moment.
//
// Thread-safe. The loop must be stopped before this object goes away.
class Listener {
 public:
  static constexpr absl::Duration kPause = absl::Milliseconds(100);

  // `connected` gets each connection, close-on-exec and non-blocking. `refused` gets those for
  // which there is no descriptor: they are closed when it returns. Both are called on the loop's
  // thread, and must not call Close(). `name` is for errors and the log.
  //
  // ResourceExhausted: no descriptor left, or fs.epoll.max_user_watches.
  static absl::StatusOr<std::unique_ptr<Listener>> Start(EventLoop* loop, std::string name,
                                                         UniqueFd listening,
                                                         std::function<void(UniqueFd)> connected,
                                                         std::function<void(int)> refused);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Closes the socket, after a callback that runs: from its return on none is called. Idempotent.
  void Close();

 private:
  Listener(EventLoop* loop, std::string name, UniqueFd listening,
           std::function<void(UniqueFd)> connected, std::function<void(int)> refused);

  absl::Status Watch();
  void AcceptSome();
  // Sets errno if it returns no connection.
  UniqueFd AcceptLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NotAcceptedLocked(int error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool RefuseOneLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PauseLocked(int error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GoOn();

  EventLoop* const loop_;
  const std::string name_;
  const std::function<void(UniqueFd)> connected_;
  const std::function<void(int)> refused_;
  std::unique_ptr<LoopTimer> timer_;  // for the end of a pause

  absl::Mutex mutex_;
  UniqueFd listening_ ABSL_GUARDED_BY(mutex_);
  EventLoop::WatchId watch_ ABSL_GUARDED_BY(mutex_) = 0;
  // Given up for a moment to accept, and refuse, when no descriptor is left.
  UniqueFd spare_ ABSL_GUARDED_BY(mutex_);
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;  // since the last connection
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_LISTENER_H_
