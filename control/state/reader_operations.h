// Readers of streams, and the cursors with which they follow lanes.

#ifndef CAUSEWAY_CONTROL_STATE_READER_OPERATIONS_H_
#define CAUSEWAY_CONTROL_STATE_READER_OPERATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/state/books.h"
#include "control/state/place.h"
#include "control/state/records.pb.h"

namespace causeway {

struct OpenReader {
  uint64_t session_id = 0;
  std::string stream;
  std::optional<v1::StreamOptions> create_options;  // Set: create the stream if it is missing.
  std::string idempotency_key;                      // Empty: none.
  v1::ReaderPolicy policy = v1::READER_POLICY_UNSPECIFIED;
  int64_t now_unix_ms = 0;
};

// The policy that a request asks for: with unspecified, BLOCK.
// INVALID_ARGUMENT: a value that this coordinator does not know; the message names the field.
absl::StatusOr<v1::ReaderPolicy> CompletePolicy(v1::ReaderPolicy asked);

struct ReaderGrant {
  records::Stream stream;
  records::Reader reader;
};

struct ReaderReservation {
  // True: the idempotency key names a reader that is open. Nothing is reserved; the answer is
  // `grant`, and its descriptor is sent once more.
  bool already_open = false;
  ReaderGrant grant;
  // The new cursor file: one page per lane to follow. May be one range of length 0: create the file
  // all the same.
  std::vector<FileRange> to_back;
};

struct ReaderConfirmation {
  // False: lanes were opened meanwhile. Back `to_back` too, and confirm again.
  bool complete = false;
  std::vector<FileRange> to_back;
  ReaderGrant grant;
};

// Joining, for one reader and one lane, both RESERVED first and OPEN later. The cursor's page is
// made by whoever can know of the other: a lane being reserved makes one for each OPEN reader, a
// reader makes one for each lane that is OPEN or RESERVED when it is reserved and, again, when it
// is confirmed. So when both are OPEN the page is there, whatever the order. At that moment the
// lane's roster version grows, the writer hears ReaderJoined and the reader LaneOpened with that
// version.
class ReaderOperations {
 public:
  explicit ReaderOperations(Books* books) : books_(*books) {}

  // Reserves a reader with its cursor file. Errors as WriterOperations::Reserve, with
  // max_readers_per_stream and max_readers_per_agent, and as CompletePolicy().
  absl::StatusOr<ReaderReservation> Reserve(const OpenReader& request);

  // Everything asked for is allocated, populated and zero: opens the reader and joins it to every
  // open lane, or asks for more.
  //
  // NOT_FOUND: not reserved. FAILED_PRECONDITION: the session ended or was evicted meanwhile.
  // RESOURCE_EXHAUSTED: max_writable_bytes_per_agent, for the pages that come on top. After any
  // error, Cancel().
  absl::StatusOr<ReaderConfirmation> Confirm(uint64_t reader_id, int64_t now_unix_ms);

  // Takes the reservation back and retires the file. NOT_FOUND: not reserved.
  absl::Status Cancel(uint64_t reader_id);

  // The reader has read an ended lane to its end and unmapped it. Releasing what was released, or
  // never followed, is no error.
  //
  // NOT_FOUND: the session has no such reader. FAILED_PRECONDITION: the lane is open.
  absl::Status ReleaseLane(uint64_t session_id, uint64_t reader_id, uint64_t lane_id);

  // The reader leaves all its lanes and has unmapped them. NOT_FOUND: the session has no such
  // reader.
  absl::Status Close(uint64_t session_id, uint64_t reader_id);

 private:
  Books& books_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_READER_OPERATIONS_H_
