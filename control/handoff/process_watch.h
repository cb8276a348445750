// Hears of the end of processes.

#ifndef CAUSEWAY_CONTROL_HANDOFF_PROCESS_WATCH_H_
#define CAUSEWAY_CONTROL_HANDOFF_PROCESS_WATCH_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "control/handoff/event_loop.h"
#include "control/handoff/exit_watch.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Waits for the process of each session to end, whether anybody reaps it or not. That is one half
// of the proof of an agent's death; the other is that its handoff connection is closed, for a child
// may have inherited it, and with it perhaps the mappings.
//
// Thread-safe. The loop must be stopped before this object goes away.
class ProcessWatch : public ExitWatch {
 public:
  using OnExit = std::function<void(uint64_t session_id)>;

  // `on_exit` is called on the loop's thread, once for each process that is watched. `try_later` is
  // called, on any thread, when one could not be watched: then Retry() is to be called in a while.
  ProcessWatch(EventLoop* loop, OnExit on_exit, std::function<void()> try_later);
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  absl::Status Watch(uint64_t session_id, UniqueFd pidfd) override;
  UniqueFd Pidfd(uint64_t session_id) override;
  // A call of `on_exit` that has begun may still run.
  void Forget(uint64_t session_id) override;

  // Watches the processes that could not be watched before.
  void Retry();

 private:
  struct Subject {
    UniqueFd pidfd;
    std::optional<EventLoop::WatchId> watch;  // none: it could not be watched yet
  };

  absl::Status WatchLocked(uint64_t session_id, Subject& subject)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void Exited(uint64_t session_id);
  void ForgetLocked(uint64_t session_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EventLoop* const loop_;
  const OnExit on_exit_;
  const std::function<void()> try_later_;
  absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, Subject> subjects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_PROCESS_WATCH_H_
