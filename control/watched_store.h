// A store whose end is noticed.

#ifndef CAUSEWAY_CONTROL_WATCHED_STORE_H_
#define CAUSEWAY_CONTROL_WATCHED_STORE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "control/store/store.h"

namespace causeway {

// Passes everything on to another store, and tells when that one cannot be relied on any more: once
// Commit() has returned DataLoss it is not known what the disk holds, and only a new coordinator
// can find out (see Store).
class WatchedStore : public Store {
 public:
  // `on_failure` is called once, by the first Commit() that returns DataLoss, on its thread.
  WatchedStore(std::unique_ptr<Store> store, std::function<void(const absl::Status&)> on_failure)
      : store_(std::move(store)), on_failure_(std::move(on_failure)) {}

  absl::StatusOr<std::vector<Record>> Load() override { return store_->Load(); }
  absl::Status Commit(absl::Span<const Write> writes) override;
  absl::Status Close() override { return store_->Close(); }

 private:
  const std::unique_ptr<Store> store_;
  const std::function<void(const absl::Status&)> on_failure_;
  std::atomic<bool> reported_ = false;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_WATCHED_STORE_H_
