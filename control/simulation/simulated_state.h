// The state thread without the thread.

#ifndef CAUSEWAY_CONTROL_SIMULATION_SIMULATED_STATE_H_
#define CAUSEWAY_CONTROL_SIMULATION_SIMULATED_STATE_H_

#include <cstddef>
#include <deque>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "control/simulation/environment.h"
#include "control/state/batch_runner.h"
#include "control/state/catalog.h"
#include "control/state/state_runner.h"

namespace causeway::simulation {

// Operations wait until the simulation lets a batch of them run. Who calls Run() on a fiber waits
// there; on the thread's own stack, everything that waits is run at once. A batch after which an
// invariant does not hold breaks a law.
class SimulatedState : public StateRunner {
 public:
  SimulatedState(Environment* environment, std::unique_ptr<Catalog> catalog, Store* store,
                 EffectSink* sink)
      : environment_(*environment), runner_(std::move(catalog), store, sink) {}

  void Post(Operation operation, Done done) override;

  size_t waiting() const { return queue_.size(); }
  void RunBatch(size_t operations);
  // The coordinator is dead: whoever waits is told so, and does not matter any more.
  void TurnAway();

  const Catalog& catalog() const { return runner_.catalog(); }

 protected:
  absl::Status RunAndWait(absl::FunctionRef<absl::Status(Catalog&)> operation) override;

 private:
  Environment& environment_;
  BatchRunner runner_;
  std::deque<StateTask> queue_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_SIMULATED_STATE_H_
