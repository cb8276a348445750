// Lanes as their writers see them, and the segments of lanes.

#ifndef CAUSEWAY_CONTROL_STATE_WRITER_OPERATIONS_H_
#define CAUSEWAY_CONTROL_STATE_WRITER_OPERATIONS_H_

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

struct OpenWriter {
  uint64_t session_id = 0;
  std::string stream;
  std::optional<v1::StreamOptions> create_options;  // Set: create the stream if it is missing.
  std::string idempotency_key;                      // Empty: none.
  int64_t now_unix_ms = 0;
};

// An open lane, as its writer needs it.
struct WriterGrant {
  records::Stream stream;
  records::Lane lane;
  records::Extent lane_page;
  std::vector<records::Extent> segments;  // By offset.
};

struct WriterReservation {
  // True: the idempotency key names a lane that is open. Nothing is reserved; the answer is
  // `grant`, and its descriptor is sent once more. False: allocate and populate `to_back`, then
  // Confirm().
  bool already_open = false;
  WriterGrant grant;
  // The lane's new file, all that it has of extents, in one range or two; then one page in each
  // reader's cursor file.
  // Cursor pages must be filled with zeros: they may have been in use before.
  std::vector<FileRange> to_back;
};

struct GrantSegment {
  uint64_t session_id = 0;
  uint64_t lane_id = 0;
  uint64_t length = 0;  // Bytes; rounded up to pages. 0: the stream's segment_bytes.
  std::string idempotency_key;
  int64_t now_unix_ms = 0;
};

struct SegmentReservation {
  bool already_granted = false;  // The idempotency key's segment: answer it; do not Confirm().
  records::Extent extent;
  FileRange to_back;
};

// A lane's life.
//
//     Reserve            Confirm          Close, Detach, Evict, proof of death
//    ─────────► RESERVED ────────► OPEN ───────────────────────────────────────► ENDED(cause)
//                  │                                                               │
//                  │ Cancel; or a new coordinator         the last reader has left │
//                  ▼                                                               ▼
//                 gone ◄──── proof of the writer's death ──── RETIRED ◄─── writer fenced and alive
//                  ▲                                                               │
//                  └────────────────── writer closed, detached or proven dead ─────┘
//
// Reserve and Confirm bracket the I/O, which runs between them on any thread. Whoever reserved must
// bring it to an end, whatever happened to the session meanwhile: by a Confirm that succeeds, or,
// if the I/O or Confirm failed, by Cancel. The reservation owns its file or range until then.
class WriterOperations {
 public:
  explicit WriterOperations(Books* books) : books_(*books) {}

  // Reserves a lane with its page and two segments, and its cursor page with every open reader.
  //
  // INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED: as StreamOperations::Plan; also
  // INVALID_ARGUMENT: the idempotency key is too long or was used for something else.
  // RESOURCE_EXHAUSTED: max_lanes_per_stream, max_lanes_per_agent, max_writable_bytes_per_agent.
  // UNAVAILABLE: the session's connection is lost, or the first call with that key is under way:
  // retry.
  absl::StatusOr<WriterReservation> Reserve(const OpenWriter& request);

  // Everything in `to_back` is allocated, populated and zero: opens the lane, sends the writer its
  // descriptor, and introduces it and the stream's readers to each other.
  //
  // NOT_FOUND: not reserved. FAILED_PRECONDITION: the session ended or was evicted meanwhile. (That
  // it is disconnected is no error: the snapshot will say it all again.)
  absl::StatusOr<WriterGrant> Confirm(uint64_t lane_id, int64_t now_unix_ms);

  // The I/O failed: takes the reservation back and retires the lane's file. NOT_FOUND: not
  // reserved.
  absl::Status Cancel(uint64_t lane_id);

  // Reserves one more segment of an open lane.
  //
  // NOT_FOUND: the session has no such lane. FAILED_PRECONDITION: the lane has ended.
  // INVALID_ARGUMENT: `length` is less than two pages or more than the largest frame needs, or the
  // idempotency key is bad. RESOURCE_EXHAUSTED: the lane's capacity_bytes,
  // max_writable_bytes_per_agent. UNAVAILABLE: the first call with that key is under way.
  absl::StatusOr<SegmentReservation> ReserveSegment(const GrantSegment& request);

  // The reserved segment is allocated, populated and zero: grants it.
  //
  // NOT_FOUND: no such reservation: the lane ended and is gone with its file.
  // FAILED_PRECONDITION: the lane has ended.
  absl::StatusOr<records::Extent> ConfirmSegment(uint64_t extent_id, int64_t now_unix_ms);

  // Takes the reservation back; the caller has freed the blocks. OK if the lane is gone.
  // FAILED_PRECONDITION: it was confirmed.
  absl::Status CancelSegment(uint64_t extent_id);

  // The writer gives a segment back. The caller frees its blocks and then calls FinishReturn();
  // until then nobody gets the range. `extent_id` says which grant of the range is meant, so that a
  // call that is obeyed twice does not take the next one; 0: any.
  //
  // NOT_FOUND: the session has no such lane, or the lane no such granted segment at `offset`.
  // FAILED_PRECONDITION: the lane has ended: its segments go with it.
  absl::StatusOr<SegmentReservation> BeginReturn(uint64_t session_id, uint64_t lane_id,
                                                 uint64_t offset, uint64_t extent_id = 0);
  // OK if the lane is gone.
  absl::Status FinishReturn(uint64_t extent_id);

  // Ends the lane at its writer's wish: the writer has unmapped it. Ending it again is no error.
  //
  // NOT_FOUND: the session has no such lane.
  absl::Status Close(uint64_t session_id, uint64_t lane_id);

 private:
  Books& books_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_WRITER_OPERATIONS_H_
