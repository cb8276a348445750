// What holds the state while there is no coordinator.

#ifndef CAUSEWAY_CONTROL_SIMULATION_STATE_DISK_H_
#define CAUSEWAY_CONTROL_SIMULATION_STATE_DISK_H_

#include <memory>

#include "absl/status/statusor.h"
#include "control/store/memory_store.h"
#include "control/store/store.h"

namespace causeway::simulation {

// The machine's, not a coordinator's. When a coordinator dies, so does the machine, as far as the
// disk is concerned: CutPower(), then the store is closed as well as that goes, then Restore().
class StateDisk {
 public:
  virtual ~StateDisk() = default;

  virtual absl::StatusOr<std::unique_ptr<Store>> Open() = 0;
  // Nothing reaches the disk any more.
  virtual void CutPower() = 0;
  // The power is back: the disk has what it has. No store is open.
  virtual void Restore() = 0;
  // It has given errors: a coordinator need not start.
  virtual bool has_failed() const = 0;
};

// Has every batch that was committed, and nothing else.
class MemoryStateDisk : public StateDisk {
 public:
  absl::StatusOr<std::unique_ptr<Store>> Open() override { return MemoryStore::Open(disk_); }
  void CutPower() override {}
  void Restore() override {}
  bool has_failed() const override { return false; }

 private:
  const std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_STATE_DISK_H_
