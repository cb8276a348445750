// A store whose commits fail and are cut short.

#ifndef CAUSEWAY_CONTROL_SIMULATION_SIMULATED_STORE_H_
#define CAUSEWAY_CONTROL_SIMULATION_SIMULATED_STORE_H_

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "control/simulation/environment.h"
#include "control/store/store.h"

namespace causeway::simulation {

// Keeps every promise of Store, and makes use of each freedom that it leaves: a batch may fail and
// change nothing, fail with DataLoss and be there or not, or be cut short before or after it.
class SimulatedStore : public Store {
 public:
  // On top of `store`, which keeps its promises by itself.
  SimulatedStore(Environment* environment, std::unique_ptr<Store> store)
      : environment_(*environment), store_(std::move(store)) {}

  absl::StatusOr<std::vector<Record>> Load() override { return store_->Load(); }
  absl::Status Commit(absl::Span<const Write> writes) override;
  absl::Status Close() override { return store_->Close(); }

 private:
  absl::Status Apply(absl::Span<const Write> writes);

  Environment& environment_;
  const std::unique_ptr<Store> store_;
  absl::Status broken_;
  std::vector<Write> late_;  // kCommitNotDurable: what the disk does not have yet
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_SIMULATED_STORE_H_
