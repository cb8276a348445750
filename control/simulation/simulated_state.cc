#include "control/simulation/simulated_state.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "control/simulation/fiber.h"

namespace causeway::simulation {

void SimulatedState::Post(Operation operation, Done done) {
  if (!environment_.power()) {
    done(absl::UnavailableError("dead"));
    return;
  }
  queue_.push_back(StateTask{std::move(operation), std::move(done), absl::OkStatus()});
}

absl::Status SimulatedState::RunAndWait(absl::FunctionRef<absl::Status(Catalog&)> operation) {
  absl::Status status;
  bool answered = false;
  Post([operation](Catalog& catalog) { return operation(catalog); },
       [&](const absl::Status& answer) {
         status = answer;
         answered = true;
       });
  if (answered) return status;
  if (Fiber* const fiber = Fiber::Current(); fiber != nullptr) {
    fiber->WaitFor(&answered);
  } else {
    while (!answered) RunBatch(queue_.size());
  }
  return status;
}

void SimulatedState::RunBatch(size_t operations) {
  std::vector<StateTask> batch;
  for (size_t i = std::min(operations, queue_.size()); i > 0; --i) {
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  runner_.Run(&batch);
  if (environment_.power()) {
    const absl::Status invariants = runner_.catalog().CheckInvariants();
    if (!invariants.ok()) environment_.Broken(invariants.message());
  }
  for (StateTask& task : batch) {
    const bool alive = environment_.Reach("before an answer");
    task.done(alive ? task.status : absl::UnavailableError("dead"));
  }
  if (!environment_.power()) TurnAway();
}

void SimulatedState::TurnAway() {
  while (!queue_.empty()) {
    StateTask task = std::move(queue_.front());
    queue_.pop_front();
    task.done(absl::UnavailableError("dead"));
  }
}

}  // namespace causeway::simulation
