// Workers that wait for an extent of a split.

#ifndef CAUSEWAY_CONTROL_SERVICE_SPLIT_WAITERS_H_
#define CAUSEWAY_CONTROL_SERVICE_SPLIT_WAITERS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace causeway {

// Lets calls wait until something changes about a split. No change is missed: a waiter registers
// first, looks at the split, and then waits for what changed since it registered. Thread-safe.
class SplitWaiters {
 public:
  // At most `max_waiters` wait at once, for each occupies a thread.
  explicit SplitWaiters(size_t max_waiters) : max_waiters_(max_waiters) {}
  SplitWaiters(const SplitWaiters&) = delete;
  SplitWaiters& operator=(const SplitWaiters&) = delete;

  // One call's interest in the split `name`, from construction to destruction.
  class Waiter {
   public:
    Waiter(SplitWaiters* waiters, const std::string& name);
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    // Blocks until the split changes, after the last change that this waiter saw. False: it did not
    // by `deadline`, everybody is being sent home, or too many wait already.
    bool Wait(absl::Time deadline);

   private:
    friend class SplitWaiters;
    SplitWaiters& waiters_;
    const std::string name_;
    uint64_t seen_;
  };

  // Something changed about the split.
  void Changed(const std::string& name);

  // Ends every wait, now and later.
  void SendHome();

 private:
  struct Split {
    uint64_t changes = 0;
    size_t interested = 0;  // the entry goes with the last of them
  };

  const size_t max_waiters_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  absl::flat_hash_map<std::string, Split> splits_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  bool sent_home_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_SPLIT_WAITERS_H_
