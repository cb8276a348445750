// The one thread that touches the state machine: queue, group commit, answers, effects.

#ifndef CAUSEWAY_CONTROL_STATE_STATE_THREAD_H_
#define CAUSEWAY_CONTROL_STATE_STATE_THREAD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "control/state/batch_runner.h"
#include "control/state/catalog.h"
#include "control/state/effect.h"
#include "control/state/state_runner.h"
#include "control/store/store.h"

namespace causeway {

// What a state thread has done so far.
struct StateThreadCounters {
  uint64_t operations = 0;     // Run, whatever came of them.
  uint64_t batches = 0;        // Groups of operations answered together.
  uint64_t largest_batch = 0;  // Operations.
  uint64_t commits = 0;        // Batches that changed something and were stored.
  uint64_t failed_commits = 0;
  uint64_t written_records = 0;  // Puts and deletes stored.
  uint64_t effects = 0;          // Delivered.
};

// Runs operations one after the other and stores what they changed before anybody hears of it.
//
//   caller ──Run──► queue ──► batch (BatchRunner) ──► answers
//
// Invariants:
//   1. An operation is answered, and its effects are delivered, only after what it changed, and
//   what
//      it may have seen, is in the store.
//   2. Effects are delivered in the order of the operations.
//   3. After a failed commit the state is the one before the batch.
class StateThread : public StateRunner {
 public:
  struct Options {
    size_t max_batch = 256;    // Operations per commit.
    size_t max_queue = 65536;  // Waiting operations; one more is refused.
  };

  // Starts the thread. `store` and `sink` must outlive this object.
  StateThread(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink);
  StateThread(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink, Options options);

  // Calls Shutdown().
  ~StateThread() override;

  StateThread(const StateThread&) = delete;
  StateThread& operator=(const StateThread&) = delete;

  void Post(Operation operation, Done done) override;

  // Answers what is queued, refuses what comes, and joins the thread. Idempotent; blocks.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mutex_);

  StateThreadCounters counters() const ABSL_LOCKS_EXCLUDED(mutex_);

 protected:
  absl::Status RunAndWait(absl::FunctionRef<absl::Status(Catalog&)> operation) override;

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<StateTask> NextBatch() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunBatch(std::vector<StateTask>* batch) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Wanted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); }

  BatchRunner runner_;  // Touched by the state thread only.
  const Options options_;

  mutable absl::Mutex mutex_;
  std::deque<StateTask> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  StateThreadCounters counters_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex join_mutex_;
  std::thread thread_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_STATE_THREAD_H_
