// A thread for what must not be waited for.

#ifndef CAUSEWAY_CONTROL_FILES_WORK_QUEUE_H_
#define CAUSEWAY_CONTROL_FILES_WORK_QUEUE_H_

#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace causeway {

// Runs what it is given one after the other, in order, on a thread of its own. Thread-safe.
class WorkQueue {
 public:
  WorkQueue();
  // Runs what is queued, then stops.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // Returns at once. `work` must not add to the queue while that is being destroyed.
  void Add(std::function<void()> work);

 private:
  void Run();
  bool Wanted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !work_.empty(); }

  absl::Mutex mutex_;
  std::deque<std::function<void()>> work_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_FILES_WORK_QUEUE_H_
