// What holds of the books between any two operations.
//
//   Ids
//    1. Every id was given by the one sequence: it is below Meta.next_id and names one row. Every
//       epoch is below Meta.next_epoch.
//   Files: one writer per inode (law 1)
//    2. A lane's file has that lane and no other, a cursor file that reader and no other; the
//    file's
//       writer and epoch are the lane's or the reader's, and its state follows theirs.
//    3. Every extent of a coordinator's file is held by the file's writer, with its epoch.
//    4. Extents of one file do not overlap, are made of whole pages and lie within the file; only
//       the last extent of a user's file may end within a page.
//    5. Every extent belongs to what it is for: lane page and segments to the lane, cursor pages to
//       the reader, of that very file; split extents to the split.
//   Proof (law 2)
//    6. A retired file or lane belongs to a fenced session. Nothing else of a fenced session is in
//       use but lanes that readers still read, and reservations.
//    7. What is open belongs to a session that is there and is not fenced.
//   Lanes and readers
//    8. An open or ended lane has one granted page at offset 0, and at most capacity_bytes of
//       segments. An ended lane has a cause and somebody who reads it.
//    9. Roster: a cursor joins a reader and a lane of one stream; it has a page of its own in the
//       reader's file, which has no other pages; it has a version if and only if both were open
//       together, no version is above the lane's, and no two cursors of a lane share one. Every
//       open reader has joined every open lane of its stream.
//   10. Streams have valid names and complete options; names, tokens and idempotency keys are
//       unique.
//   Splits
//   11. A taken extent has both its grants, held by its worker under its epoch; one that is not
//       taken has none. Counts agree. A closed split has a taken extent.
//   12. A split uses two files that users brought and no other split uses.
//   Indexes
//   13. Every index and every sum is what the rows say.

#ifndef CAUSEWAY_CONTROL_STATE_INVARIANTS_H_
#define CAUSEWAY_CONTROL_STATE_INVARIANTS_H_

#include "absl/status/status.h"
#include "control/state/books.h"

namespace causeway {

// OK, or INTERNAL with the number of the first invariant that does not hold and the row. Reads
// everything.
absl::Status CheckInvariants(const Books& books);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_INVARIANTS_H_
