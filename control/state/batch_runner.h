// A batch of operations: run, stored together, told to the world, or undone together.

#ifndef CAUSEWAY_CONTROL_STATE_BATCH_RUNNER_H_
#define CAUSEWAY_CONTROL_STATE_BATCH_RUNNER_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "control/state/catalog.h"
#include "control/state/effect.h"
#include "control/state/state_runner.h"
#include "control/store/store.h"

namespace causeway {

// One operation of a batch.
struct StateTask {
  StateRunner::Operation operation;
  StateRunner::Done done;
  absl::Status status;  // Once the batch has run: what `done` is to be told.
};

// What became of a batch.
struct BatchOutcome {
  absl::Status stored;  // OK, too, if there was nothing to store.
  size_t writes = 0;    // Puts and deletes that were stored, or were to be.
  size_t effects = 0;   // Delivered.
};

// The heart of StateThread, without the thread:
//
//   operation, operation, … ──► one Store::Commit ──► effects
//                                   │ fails
//                                   └──► undo in reverse; every operation gets the error
//
// A commit that fails with DATA_LOSS leaves open what is on the disk (see Store): from then on
// every operation gets this error, and the coordinator has to be started anew.
//
// Not thread-safe.
class BatchRunner {
 public:
  // `store` and `sink` must outlive this object.
  BatchRunner(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink)
      : catalog_(std::move(catalog)), store_(*store), sink_(*sink) {}

  // Runs the operations in their order. When it returns, what they changed is stored and its
  // effects are delivered, or nothing has changed, and each task's status says what to answer.
  // Blocks on the store.
  BatchOutcome Run(std::vector<StateTask>* batch);

  // As it is between two batches.
  const Catalog& catalog() const { return *catalog_; }

 private:
  const std::unique_ptr<Catalog> catalog_;
  Store& store_;
  EffectSink& sink_;
  absl::Status broken_;  // Not OK once the store's content is unknown.
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_BATCH_RUNNER_H_
