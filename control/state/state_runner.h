// Who runs operations on the state machine, as those who have operations see it.

#ifndef CAUSEWAY_CONTROL_STATE_STATE_RUNNER_H_
#define CAUSEWAY_CONTROL_STATE_STATE_RUNNER_H_

#include <memory>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "control/state/catalog.h"

namespace causeway {

// Runs operations one after the other, and answers each once what it changed is in the store.
// StateThread is the coordinator's; the simulation has one without a thread.
class StateRunner {
 public:
  using Operation = absl::AnyInvocable<absl::Status(Catalog&)>;
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  virtual ~StateRunner() = default;

  // Runs `operation`, a callable on Catalog& that returns absl::Status or absl::StatusOr<T>, and
  // returns what it returned. Blocks until that is stored. Pointers into the catalog must not leave
  // the operation. Must not be called by an operation, its answer, or an effect.
  //
  // If the operation returns an error, whatever it did is undone. Further errors: the store's;
  // UNAVAILABLE: shut down; RESOURCE_EXHAUSTED: the queue is full.
  template <typename Callable>
  std::invoke_result_t<Callable, Catalog&> Run(Callable operation);

  // As Run, for callers that must not wait: `done` gets the answer where operations run, or at once
  // if the operation is refused. It must not block.
  virtual void Post(Operation operation, Done done) = 0;

 protected:
  // Runs `operation`, blocks until it is stored, and returns what it returned, or why it does not
  // hold.
  virtual absl::Status RunAndWait(absl::FunctionRef<absl::Status(Catalog&)> operation) = 0;
};

template <typename Callable>
std::invoke_result_t<Callable, Catalog&> StateRunner::Run(Callable operation) {
  using Result = std::invoke_result_t<Callable, Catalog&>;
  // The answer waits here until it is known that it holds.
  std::unique_ptr<Result> result;
  const absl::Status status = RunAndWait([&](Catalog& catalog) -> absl::Status {
    result = std::make_unique<Result>(operation(catalog));
    if constexpr (std::is_same_v<Result, absl::Status>) {
      return *result;
    } else {
      return result->status();
    }
  });
  if (!status.ok()) return status;
  return std::move(*result);
}

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_STATE_RUNNER_H_
