#include "control/simulation/simulated_store.h"

#include <utility>

namespace causeway::simulation {

absl::Status SimulatedStore::Apply(absl::Span<const Write> writes) {
  std::vector<Write> kept(writes.begin(), writes.end());
  if (environment_.bug == PlantedBug::kSequencesForgotten) {
    std::erase_if(kept, [&](const Write& write) {
      return write.table == "meta" && environment_.choices.OneIn(2);
    });
  }
  if (environment_.bug == PlantedBug::kCommitNotDurable) {
    std::swap(kept, late_);
  }
  return store_->Commit(kept);
}

absl::Status SimulatedStore::Commit(absl::Span<const Write> writes) {
  if (!broken_.ok()) return broken_;
  if (!environment_.Reach("before a commit")) return absl::UnavailableError("dead");
  Choices& choices = environment_.choices;
  if (choices.OneIn(40)) {
    environment_.Trace("commit of ", writes.size(), " writes fails: full");
    if (environment_.bug == PlantedBug::kFailedCommitStays) Apply(writes).IgnoreError();
    return absl::ResourceExhaustedError("the simulated disk is full");
  }
  if (choices.OneIn(150)) {
    const bool there = choices.OneIn(2);
    environment_.Trace("commit of ", writes.size(), " writes fails, ",
                       there ? "and is there" : "and is not there");
    if (there) Apply(writes).IgnoreError();
    broken_ = absl::DataLossError("the simulated disk gave an I/O error");
    return broken_;
  }
  if (environment_.bug == PlantedBug::kHalfABatch && choices.OneIn(8)) {
    Apply(writes.subspan(0, writes.size() / 2)).IgnoreError();
    environment_.PowerOff();
    return absl::UnavailableError("dead");
  }
  absl::Status applied = Apply(writes);
  if (absl::IsDataLoss(applied)) broken_ = applied;
  if (!environment_.Reach("after a commit")) return absl::UnavailableError("dead");
  environment_.Trace("commit of ", writes.size(), " writes");
  return applied;
}

}  // namespace causeway::simulation
