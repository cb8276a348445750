// The coordinator's state machine: everything that the coordinator knows and decides, without I/O,
// clock, randomness, locks or threads. StateThread runs it; see docs/architecture.md for how the
// parts fit.

#ifndef CAUSEWAY_CONTROL_STATE_CATALOG_H_
#define CAUSEWAY_CONTROL_STATE_CATALOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "control/state/books.h"
#include "control/state/journal.h"
#include "control/state/limits.h"
#include "control/state/place.h"
#include "control/state/reader_operations.h"
#include "control/state/records.pb.h"
#include "control/state/session_operations.h"
#include "control/state/split_operations.h"
#include "control/state/stream_operations.h"
#include "control/state/writer_operations.h"
#include "control/store/store.h"

namespace causeway {

// What a new coordinator has to do first.
struct EpochStart {
  uint64_t coordinator_epoch = 0;
  // Every session of the records. Each is to be checked for life: if its boot id differs or its
  // process is gone, SessionOperations::ProcessExited(); else watch its pidfd and wait for it.
  std::vector<records::Session> to_check;
  // Ranges whose blocks are to be freed: reservations and returns that were cut short.
  std::vector<FileRange> to_free;
};

// Composes the tables and the operations on them.
//
// Each operation validates everything first; one that fails has changed nothing. What it changes
// and what is to be told is in journal() until the caller has stored it (Journal::Clear) or gives
// up (Journal::UndoAll), after which the state is exactly as before.
//
// Time is milliseconds of the wall clock, for people to read: no decision rests on it.
//
// Not thread-safe.
class Catalog {
 public:
  // The state that `records` (in the order of Store::Load) are. No records: a coordinator's first
  // start. Nothing is journalled; call BeginEpoch() next.
  //
  // INVALID_ARGUMENT: the limits are no good. FAILED_PRECONDITION: the records are of a newer
  // format. DATA_LOSS: a record cannot be read, or contradicts another; the message names it.
  static absl::StatusOr<std::unique_ptr<Catalog>> FromRecords(absl::Span<const Record> records,
                                                              const Limits& limits);

  // Begins the coordinator's life: raises its epoch, marks every session as disconnected, and takes
  // back reservations whose I/O the last coordinator did not finish.
  EpochStart BeginEpoch();

  SessionOperations& sessions() { return sessions_; }
  StreamOperations& streams() { return streams_; }
  WriterOperations& writers() { return writers_; }
  ReaderOperations& readers() { return readers_; }
  SplitOperations& splits() { return splits_; }

  // For queries (control/state/queries.h).
  const Books& books() const { return books_; }
  uint64_t coordinator_epoch() const;

  Journal& journal() { return books_.journal; }

  // Every row that belongs in the store, as Store::Load would return it.
  std::vector<Record> Records() const;

  // Every row as text, those that are never in the store included: for tests.
  std::string Dump() const;

  // OK, or INTERNAL with the number of the first invariant that does not hold, and where. Reads
  // everything: for tests and for FromRecords, not for every operation. The invariants are listed
  // in invariants.h.
  absl::Status CheckInvariants() const;

 private:
  explicit Catalog(const Limits& limits);

  Books books_;
  SessionOperations sessions_{&books_};
  StreamOperations streams_{&books_};
  WriterOperations writers_{&books_};
  ReaderOperations readers_{&books_};
  SplitOperations splits_{&books_};
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_CATALOG_H_
