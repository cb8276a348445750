#include "control/watched_store.h"

namespace causeway {

absl::Status WatchedStore::Commit(absl::Span<const Write> writes) {
  absl::Status status = store_->Commit(writes);
  if (absl::IsDataLoss(status) && !reported_.exchange(true)) on_failure_(status);
  return status;
}

}  // namespace causeway
