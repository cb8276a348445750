// A store that forgets: for tests, and for a coordinator that is asked to keep nothing.

#ifndef CAUSEWAY_CONTROL_STORE_MEMORY_STORE_H_
#define CAUSEWAY_CONTROL_STORE_MEMORY_STORE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "control/store/store.h"

namespace causeway {

// Plays the disk under a MemoryStore: its records outlive the store, so that a test can "restart".
// Not thread-safe by itself; only the one store that is open on it touches it.
struct MemoryDisk {
  std::map<std::pair<std::string, std::string>, std::string> records;
  bool in_use = false;  // a store is open on it
};

// See Store. Durable means: as long as the MemoryDisk.
class MemoryStore : public Store {
 public:
  // Opens a store on `disk`, which must not be null, or on a new empty disk.
  //
  // Unavailable: another store is open on `disk`.
  static absl::StatusOr<std::unique_ptr<MemoryStore>> Open(std::shared_ptr<MemoryDisk> disk);
  static std::unique_ptr<MemoryStore> OpenEmpty();

  ~MemoryStore() override;

  absl::StatusOr<std::vector<Record>> Load() override;
  absl::Status Commit(absl::Span<const Write> writes) override;
  absl::Status Close() override;

  // The next Commit() of a batch within the limits changes nothing and returns `failure`, which
  // must not be OK. With DataLoss, so do all that follow it, as Store promises. Empty batches
  // are not counted.
  void FailNextCommit(absl::Status failure);

 private:
  explicit MemoryStore(std::shared_ptr<MemoryDisk> disk);

  absl::Mutex mutex_;
  std::shared_ptr<MemoryDisk> disk_ ABSL_GUARDED_BY(mutex_);  // null once closed
  absl::Status next_failure_ ABSL_GUARDED_BY(mutex_);         // OK: none
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STORE_MEMORY_STORE_H_
