#include "control/state/batch_runner.h"

#include "control/state/journal.h"
#include "mmapcore/crash_point.h"

namespace causeway {

BatchOutcome BatchRunner::Run(std::vector<StateTask>* batch) {
  CAUSEWAY_CRASH_POINT("coordinator.batch.begun");
  Journal& journal = catalog_->journal();
  if (broken_.ok()) {
    for (StateTask& task : *batch) {
      const Journal::Mark mark = journal.Here();
      task.status = task.operation(*catalog_);
      if (!task.status.ok()) journal.UndoTo(mark);
    }
  }
  CAUSEWAY_CRASH_POINT("coordinator.batch.decided");
  const std::vector<Write> writes = journal.Writes();
  absl::Status stored = broken_;
  if (stored.ok() && !writes.empty()) stored = store_.Commit(writes);
  if (!stored.ok()) {
    journal.UndoAll();
    for (StateTask& task : *batch) task.status = stored;
  }
  // What is on the disk is unknown now: nothing may be built on it.
  if (absl::IsDataLoss(stored)) broken_ = stored;

  const std::vector<Effect> effects = journal.Clear();
  CAUSEWAY_CRASH_POINT("coordinator.batch.stored");
  for (const Effect& effect : effects) sink_.Deliver(effect);
  CAUSEWAY_CRASH_POINT("coordinator.batch.delivered");
  return {.stored = stored, .writes = writes.size(), .effects = effects.size()};
}

}  // namespace causeway
