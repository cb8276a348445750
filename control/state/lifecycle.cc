#include "control/state/lifecycle.h"

#include <utility>
#include <vector>

#include "control/state/effect.h"
#include "control/state/events.h"
#include "control/state/records.pb.h"
#include "control/state/reservation.h"

namespace causeway {
namespace {

// A copy to iterate over while the index changes.
template <typename Container>
std::vector<uint64_t> Copy(const Container& ids) {
  return std::vector<uint64_t>(ids.begin(), ids.end());
}

bool IsFenced(const Books& books, uint64_t session_id) {
  const records::Session* session = books.sessions.Find(session_id);
  return session != nullptr && session->state() == records::Session::STATE_FENCED;
}

void AddRetireFile(Books* books, const records::File& file, bool truncate) {
  books->journal.Add(RetireFile{.file_id = file.file_id(),
                                .name = file.name(),
                                .durability = file.durability(),
                                .truncate = truncate});
}

// Law 2: what a fenced agent that lives could write stays in the books.
void RetireInBooks(Books* books, const records::File& file) {
  records::File retired = file;
  retired.set_state(records::File::STATE_RETIRED);
  books->files.Put(std::move(retired));
}

void RetireLaneIfUnfollowed(Books* books, uint64_t lane_id) {
  const records::Lane* lane = books->lanes.Find(lane_id);
  if (lane->state() != records::Lane::STATE_ENDED) return;
  if (!books->cursors.ReadersOf(lane_id).empty()) return;
  const records::File* file = books->files.Find(lane->file_id());
  const bool fenced = IsFenced(*books, lane->session_id());
  // A session that is gone and did not close the lane is gone by proof of death. One that closed it
  // said that it has unmapped it; truncating does not have to believe that.
  const bool may_be_mapped = books->sessions.Find(lane->session_id()) != nullptr ||
                             lane->end_cause() == v1::END_CAUSE_CLOSED;
  AddRetireFile(books, *file, may_be_mapped);
  if (fenced) {
    RetireInBooks(books, *file);
    records::Lane retired = *lane;
    retired.set_state(records::Lane::STATE_RETIRED);
    books->lanes.Put(std::move(retired));
    return;
  }
  EraseFile(books, lane->file_id());
  books->lanes.Erase(lane_id);
}

// Removes the cursor and, unless it lies in a file that a fenced agent was given, its page.
void EraseCursor(Books* books, uint64_t reader_id, uint64_t lane_id) {
  const uint64_t extent_id = books->cursors.Find({reader_id, lane_id})->extent_id();
  const records::Reader& reader = *books->readers.Find(reader_id);
  const bool keep_page =
      reader.state() == records::Reader::STATE_OPEN && IsFenced(*books, reader.session_id());
  books->cursors.Erase({reader_id, lane_id});
  if (!keep_page) books->extents.Erase(extent_id);
}

}  // namespace

void JoinReader(Books* books, uint64_t reader_id, uint64_t lane_id, int64_t now_unix_ms) {
  records::Lane lane = *books->lanes.Find(lane_id);
  records::Cursor cursor = *books->cursors.Find({reader_id, lane_id});
  lane.set_roster_version(lane.roster_version() + 1);
  cursor.set_roster_version(lane.roster_version());
  GrantExtent(books, cursor.extent_id(), now_unix_ms);
  const uint64_t writer = lane.session_id();
  const uint64_t reader = books->readers.Find(reader_id)->session_id();
  books->lanes.Put(std::move(lane));
  books->cursors.Put(cursor);
  SendPeerProcess(books, writer, reader);
  SendReaderJoined(books, cursor);
  SendPeerProcess(books, reader, writer);
  SendLaneOpened(books, cursor);
}

void EndLane(Books* books, uint64_t lane_id, v1::EndCause cause) {
  records::Lane lane = *books->lanes.Find(lane_id);
  lane.set_state(records::Lane::STATE_ENDED);
  lane.set_end_cause(cause);
  books->lanes.Put(lane);
  for (const uint64_t reader_id : Copy(books->cursors.ReadersOf(lane_id))) {
    if (books->cursors.Find({reader_id, lane_id})->roster_version() == 0) {
      EraseCursor(books, reader_id, lane_id);
    } else {
      SendLaneEnded(books, lane, reader_id);
    }
  }
  RetireLaneIfUnfollowed(books, lane_id);
}

void LeaveLane(Books* books, uint64_t reader_id, uint64_t lane_id, v1::EndCause cause) {
  const bool joined = books->cursors.Find({reader_id, lane_id})->roster_version() != 0;
  EraseCursor(books, reader_id, lane_id);
  const records::Lane* lane = books->lanes.Find(lane_id);
  if (lane->state() == records::Lane::STATE_OPEN && joined) {
    records::Lane changed = *lane;
    changed.set_roster_version(changed.roster_version() + 1);
    books->lanes.Put(changed);
    SendReaderLeft(books, changed, reader_id, cause);
  }
  RetireLaneIfUnfollowed(books, lane_id);
}

void EndReader(Books* books, uint64_t reader_id, v1::EndCause cause) {
  for (const uint64_t lane_id : Copy(books->cursors.LanesOf(reader_id))) {
    LeaveLane(books, reader_id, lane_id, cause);
  }
  const records::Reader* reader = books->readers.Find(reader_id);
  const records::File* file = books->files.Find(reader->file_id());
  AddRetireFile(books, *file, /*truncate=*/false);
  if (IsFenced(*books, reader->session_id())) {
    RetireInBooks(books, *file);
  } else {
    EraseFile(books, reader->file_id());
  }
  books->readers.Erase(reader_id);
}

void DropReservedLane(Books* books, uint64_t lane_id) {
  for (const uint64_t reader_id : Copy(books->cursors.ReadersOf(lane_id))) {
    EraseCursor(books, reader_id, lane_id);
  }
  const uint64_t file_id = books->lanes.Find(lane_id)->file_id();
  AddRetireFile(books, *books->files.Find(file_id), /*truncate=*/false);
  EraseFile(books, file_id);
  books->lanes.Erase(lane_id);
}

void DropReservedReader(Books* books, uint64_t reader_id) {
  for (const uint64_t lane_id : Copy(books->cursors.LanesOf(reader_id))) {
    books->cursors.Erase({reader_id, lane_id});
  }
  const uint64_t file_id = books->readers.Find(reader_id)->file_id();
  AddRetireFile(books, *books->files.Find(file_id), /*truncate=*/false);
  EraseFile(books, file_id);
  books->readers.Erase(reader_id);
}

void EraseFile(Books* books, uint64_t file_id) {
  std::vector<uint64_t> extent_ids;
  for (const auto& [offset, extent_id] : books->extents.OfFile(file_id)) {
    extent_ids.push_back(extent_id);
  }
  for (const uint64_t extent_id : extent_ids) books->extents.Erase(extent_id);
  books->files.Erase(file_id);
}

}  // namespace causeway
