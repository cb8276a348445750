// The one thread that touches the state machine: queue, group commit, answers, effects.

#ifndef CAUSEWAY_CONTROL_STATE_STATE_THREAD_H_
#define CAUSEWAY_CONTROL_STATE_STATE_THREAD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "control/state/catalog.h"
#include "control/state/effect.h"
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
//   caller ──Run──► queue ──► operation, operation, … ──► one Store::Commit ──► effects ──► answers
//                                                            │ fails
//                                                            └──► undo in reverse, answer the error
//
// Invariants:
//   1. An operation is answered, and its effects are delivered, only after what it changed, and
//   what
//      it may have seen, is in the store.
//   2. Effects are delivered in the order of the operations.
//   3. After a failed commit the state is the one before the batch.
//
// A commit that fails with DATA_LOSS leaves open what is on the disk (see Store): the thread then
// answers this error to every later operation, and the coordinator has to be started anew.
class StateThread {
 public:
  struct Options {
    size_t max_batch = 256;    // Operations per commit.
    size_t max_queue = 65536;  // Waiting operations; one more is refused.
  };

  // Starts the thread. `store` and `sink` must outlive this object.
  StateThread(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink);
  StateThread(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink, Options options);

  // Calls Shutdown().
  ~StateThread();

  StateThread(const StateThread&) = delete;
  StateThread& operator=(const StateThread&) = delete;

  // Runs `operation`, a callable on Catalog& that returns absl::Status or absl::StatusOr<T>, on the
  // state thread and returns what it returned. Blocks until that is stored. Pointers into the
  // catalog must not leave the operation. Must not be called on the state thread itself.
  //
  // If the operation returns an error, whatever it did is undone. Further errors: the store's;
  // UNAVAILABLE: shut down; RESOURCE_EXHAUSTED: the queue is full.
  template <typename Operation>
  std::invoke_result_t<Operation, Catalog&> Run(Operation operation);

  // As Run, for callers that must not wait: `done` gets the answer on the state thread, or at once
  // if the operation is refused. It must not block.
  void Post(absl::AnyInvocable<absl::Status(Catalog&)> operation,
            absl::AnyInvocable<void(const absl::Status&)> done);

  // Answers what is queued, refuses what comes, and joins the thread. Idempotent; blocks.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mutex_);

  StateThreadCounters counters() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Task {
    absl::AnyInvocable<absl::Status(Catalog&)> operation;
    absl::AnyInvocable<void(const absl::Status&)> done;
    absl::Status status;
  };

  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<Task> NextBatch() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunBatch(std::vector<Task>* batch) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Wanted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); }

  const std::unique_ptr<Catalog> catalog_;  // Touched by the state thread only.
  Store& store_;
  EffectSink& sink_;
  const Options options_;
  absl::Status broken_;  // The state thread's own: not OK once the store's content is unknown.

  mutable absl::Mutex mutex_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  StateThreadCounters counters_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex join_mutex_;
  std::thread thread_;
};

template <typename Operation>
std::invoke_result_t<Operation, Catalog&> StateThread::Run(Operation operation) {
  using Result = std::invoke_result_t<Operation, Catalog&>;
  // The answer waits here until the caller is told that it holds.
  std::unique_ptr<Result> result;
  absl::Status status;
  absl::Mutex mutex;
  bool answered = false;
  Post(
      [&](Catalog& catalog) -> absl::Status {
        result = std::make_unique<Result>(operation(catalog));
        if constexpr (std::is_same_v<Result, absl::Status>) {
          return *result;
        } else {
          return result->status();
        }
      },
      [&](const absl::Status& answer) {
        absl::MutexLock lock(&mutex);
        status = answer;
        answered = true;
      });
  absl::MutexLock lock(&mutex);
  mutex.Await(absl::Condition(&answered));
  if (!status.ok()) return status;
  return std::move(*result);
}

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_STATE_THREAD_H_
