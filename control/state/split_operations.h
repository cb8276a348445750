// Splits: a file that a user brought, read and written in extents by many workers.

#ifndef CAUSEWAY_CONTROL_STATE_SPLIT_OPERATIONS_H_
#define CAUSEWAY_CONTROL_STATE_SPLIT_OPERATIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/state/books.h"
#include "control/state/records.pb.h"

namespace causeway {

struct BringFile {
  uint64_t session_id = 0;
  std::string label;  // For messages.
  v1::Protection protection = v1::PROTECTION_UNSPECIFIED;
  uint64_t size_bytes = 0;  // As fstat says.
  int64_t now_unix_ms = 0;
};

struct OpenSplit {
  uint64_t session_id = 0;
  std::string name;
  uint64_t source_file_id = 0;
  uint64_t target_file_id = 0;
  uint64_t length = 0;
  uint64_t extent_bytes = 0;  // 0: chosen here.
};

struct TakeOutcome {
  enum class State { kGranted, kWait, kFinished };
  State state = State::kWait;
  uint64_t split_id = 0;
  // If granted:
  uint64_t index = 0;
  records::Extent source;
  records::Extent target;
  uint64_t epoch = 0;
};

struct SplitView {
  records::Split split;
  std::vector<records::SplitWorker> workers;
};

// An extent's life. It is the one place where an inode has several writers, so an extent never goes
// to another worker but along these arrows.
//
//                Take                   Complete, same epoch
//    (untaken) ────────► TAKEN ─────────────────────────────► COMPLETED
//                        ▲   │
//                  Take  │   │ the worker detached, or its death is proven
//                        │   ▼  (not: it was evicted, or lost its connection)
//                       PENDING
//
// Nothing of a split is in the store: it ends with the coordinator, and its owner's job fails.
class SplitOperations {
 public:
  explicit SplitOperations(Books* books) : books_(*books) {}

  // Takes a user's descriptor into the books and returns the file's id.
  //
  // INVALID_ARGUMENT: no protection. RESOURCE_EXHAUSTED: max_brought_files_per_agent.
  // NOT_FOUND: no such session. FAILED_PRECONDITION: evicted.
  absl::StatusOr<uint64_t> Bring(const BringFile& request);

  // Opens a split over [0, length) of both files; the last extent may be short. A length of 0 is
  // finished at once.
  //
  // INVALID_ARGUMENT: a bad name; the files are the same one; extent_bytes is not whole pages.
  // NOT_FOUND: the session brought no such file. PERMISSION_DENIED: the target cannot be written.
  // OUT_OF_RANGE: a file is shorter than `length`. ALREADY_EXISTS: a split of that name is open.
  // FAILED_PRECONDITION: a file is in use by another split; the message names who holds it.
  // RESOURCE_EXHAUSTED: max_splits_per_agent, max_extents_per_split.
  absl::StatusOr<records::Split> Open(const OpenSplit& request);

  // Takes the next extent pair: one that came back before one that was never taken. Sends the
  // descriptors of both files if the session does not have them.
  //
  // NOT_FOUND: no split of that name is open. ABORTED: the split failed; the message says why.
  // UNAVAILABLE: the session's connection is lost. FAILED_PRECONDITION: evicted.
  absl::StatusOr<TakeOutcome> Take(uint64_t session_id, std::string_view name, int64_t now_unix_ms);

  // The worker is done with an extent and does not touch it any more. With `failure` the split
  // fails with this text. Completing twice is no error.
  //
  // NOT_FOUND: no such split or extent. FAILED_PRECONDITION: this session does not hold the extent
  // under this epoch: it was fenced.
  absl::Status Complete(uint64_t session_id, uint64_t split_id, uint64_t index, uint64_t epoch,
                        std::string_view failure);

  // For the owner and the workers. NOT_FOUND: no such split.
  absl::StatusOr<SplitView> Describe(uint64_t split_id) const;

  // Ends a split; its name is free at once, and its files are forgotten once no worker holds an
  // extent of them. NOT_FOUND: the session owns no such open split.
  absl::Status Close(uint64_t session_id, uint64_t split_id);

 private:
  Books& books_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_SPLIT_OPERATIONS_H_
