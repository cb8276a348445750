// What follows from what: the steps that several operations share when lanes and readers meet, end
// and go. None of them can fail; each keeps the invariants (invariants.h).

#ifndef CAUSEWAY_CONTROL_STATE_LIFECYCLE_H_
#define CAUSEWAY_CONTROL_STATE_LIFECYCLE_H_

#include <cstdint>

#include "control/api/v1/types.pb.h"
#include "control/state/books.h"

namespace causeway {

// Introduces a reader and a lane, both open, with a cursor that has its page, to each other.
void JoinReader(Books* books, uint64_t reader_id, uint64_t lane_id, int64_t now_unix_ms);

// Ends an open lane: its readers hear of it and go on to its last frame. Readers that were about to
// join it do not. The lane is retired at once if nobody follows it.
void EndLane(Books* books, uint64_t lane_id, v1::EndCause cause);

// A reader leaves one lane. An open lane's writer hears of it; an ended lane is retired if this was
// the last one.
void LeaveLane(Books* books, uint64_t reader_id, uint64_t lane_id, v1::EndCause cause);

// An open reader leaves all its lanes and is gone. Its file is unlinked, never truncated, since
// writers may still have it mapped; if its session is fenced, the file stays in the books as
// retired.
void EndReader(Books* books, uint64_t reader_id, v1::EndCause cause);

// Take a reservation back: nobody was told of it.
void DropReservedLane(Books* books, uint64_t lane_id);
void DropReservedReader(Books* books, uint64_t reader_id);

// Removes a file with all its extents. Its inode must be retired, or be a user's.
void EraseFile(Books* books, uint64_t file_id);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_LIFECYCLE_H_
