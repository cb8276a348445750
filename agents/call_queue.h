// Calls to the coordinator that nobody waits for: made by one thread, repeated until answered.

#ifndef CAUSEWAY_AGENTS_CALL_QUEUE_H_
#define CAUSEWAY_AGENTS_CALL_QUEUE_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace causeway {

// Thread-safe. Jobs run one at a time, in the order in which they were added, except that one that
// has to be repeated lets others pass.
class CallQueue {
 public:
  // Makes one call, with a deadline of its own. Unavailable means that it has to be repeated; any
  // other status ends the job.
  using Job = std::function<absl::Status()>;

  // ResourceExhausted: no thread to be had.
  static absl::StatusOr<std::unique_ptr<CallQueue>> Start();

  // As Stop().
  ~CallQueue();

  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // Adds a job; after Stop(), drops it. Does not wait.
  void Add(Job job);

  // Repeats what was waiting for the coordinator to be back without any further pause.
  void RetryNow();

  // Waits for the job that is under way, drops the others, ends the thread. Not from a job.
  void Stop();

 private:
  struct Entry {
    Job job;
    absl::Time not_before;
    absl::Duration pause;  // before the next attempt, if this one fails
  };

  CallQueue() = default;
  void Run();
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Entry> ready_ ABSL_GUARDED_BY(mutex_);
  std::deque<Entry> deferred_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CALL_QUEUE_H_
