// Calls to the coordinator, from being sent to being answered.

#ifndef CAUSEWAY_CONTROL_SIMULATION_SIMULATED_CALLS_H_
#define CAUSEWAY_CONTROL_SIMULATION_SIMULATED_CALLS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "control/simulation/environment.h"
#include "control/simulation/fiber.h"
#include "control/simulation/simulated_coordinator.h"

namespace causeway::simulation {

// What a caller does with its answer.
using Answer = std::function<void()>;

struct SimulatedCall {
  std::string what;
  // Makes the call, on a fiber. The answer reaches the caller later, or never.
  std::function<Answer(SimulatedCoordinator&)> body;
  // The caller learns that the coordinator is away, or has waited long enough; the call may yet be
  // obeyed.
  std::function<void()> lost;
};

// Any number of calls under way at once; the simulation decides which goes on.
class SimulatedCalls {
 public:
  explicit SimulatedCalls(Environment* environment) : environment_(*environment) {}

  void Send(SimulatedCall call);

  // Each of these does one thing of those that can be done, if there is any.
  void Begin(SimulatedCoordinator* coordinator);
  void GoOn();
  void Deliver();
  void GiveUp();

  size_t sent() const { return sent_.size(); }
  size_t running() const { return running_.size(); }
  // Of these, those that do not wait for the state.
  size_t ready() const;
  size_t answered() const { return answered_.size(); }

  // Lets what runs come to its end, unheard, and tells every caller.
  void CoordinatorDied();

 private:
  struct Running {
    std::shared_ptr<SimulatedCall> call;
    std::unique_ptr<Fiber> fiber;
    std::shared_ptr<Answer> answer;
    bool given_up = false;
  };

  Environment& environment_;
  std::vector<SimulatedCall> sent_;
  std::vector<Running> running_;
  std::vector<std::pair<SimulatedCall, Answer>> answered_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_SIMULATED_CALLS_H_
