#include "control/state/invariants.h"

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/api/names/stream_name.h"
#include "control/state/records.pb.h"
#include "control/state/stream_options.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

using records::Cursor;
using records::Extent;
using records::File;
using records::Lane;
using records::Reader;
using records::Session;
using records::Split;
using records::SplitExtent;
using records::Stream;

template <typename... Words>
absl::Status Broken(int number, const Words&... words) {
  return absl::InternalError(absl::StrCat("invariant ", number, ": ", words...));
}

const Session* FindSession(const Books& books, uint64_t id) { return books.sessions.Find(id); }

bool IsFenced(const Books& books, uint64_t session_id) {
  const Session* session = FindSession(books, session_id);
  return session != nullptr && session->state() == Session::STATE_FENCED;
}

// 1, for one table.
template <typename Table>
absl::Status CheckIds(const Books& books, const Table& table, const char* what,
                      std::set<uint64_t>* seen) {
  const records::Meta* meta = books.meta.Find(0);
  for (const auto& [id, row] : table.rows()) {
    if (meta == nullptr || id == 0 || id >= meta->next_id()) {
      return Broken(1, what, " ", id, " was never given");
    }
    if (!seen->insert(id).second) return Broken(1, what, " ", id, " has the id of another row");
  }
  return absl::OkStatus();
}

absl::Status CheckAllIds(const Books& books) {
  std::set<uint64_t> seen;
  for (const absl::Status& status : {CheckIds(books, books.streams, "stream", &seen),
                                     CheckIds(books, books.sessions, "session", &seen),
                                     CheckIds(books, books.files, "file", &seen),
                                     CheckIds(books, books.extents, "extent", &seen),
                                     CheckIds(books, books.lanes, "lane", &seen),
                                     CheckIds(books, books.readers, "reader", &seen),
                                     CheckIds(books, books.splits, "split", &seen)}) {
    if (!status.ok()) return status;
  }
  const uint64_t next_epoch = books.meta.Find(0) == nullptr ? 0 : books.meta.Find(0)->next_epoch();
  for (const auto& [id, file] : books.files.rows()) {
    if (file.kind() != File::KIND_BROUGHT && (file.epoch() == 0 || file.epoch() >= next_epoch)) {
      return Broken(1, "file ", id, " has epoch ", file.epoch(), ", which was never given");
    }
  }
  return absl::OkStatus();
}

// What a file is the file of, and whether both are in agreeing states.
struct FileUser {
  uint64_t id = 0;
  uint64_t session_id = 0;
  uint64_t epoch = 0;  // 0: has none.
  File::State state = File::STATE_UNSPECIFIED;
};

absl::Status CheckFiles(const Books& books) {
  std::map<uint64_t, FileUser> users;
  for (const auto& [id, lane] : books.lanes.rows()) {
    const File* file = books.files.Find(lane.file_id());
    if (file == nullptr || file->kind() != File::KIND_LANE) {
      return Broken(2, "lane ", id, " has no lane file ", lane.file_id());
    }
    const File::State state = lane.state() == Lane::STATE_RESERVED  ? File::STATE_RESERVED
                              : lane.state() == Lane::STATE_RETIRED ? File::STATE_RETIRED
                                                                    : File::STATE_LIVE;
    if (!users.emplace(lane.file_id(), FileUser{id, lane.session_id(), lane.epoch(), state})
             .second) {
      return Broken(2, "lane ", id, " shares file ", lane.file_id());
    }
  }
  for (const auto& [id, reader] : books.readers.rows()) {
    const File* file = books.files.Find(reader.file_id());
    if (file == nullptr || file->kind() != File::KIND_CURSOR) {
      return Broken(2, "reader ", id, " has no cursor file ", reader.file_id());
    }
    const File::State state =
        reader.state() == Reader::STATE_RESERVED ? File::STATE_RESERVED : File::STATE_LIVE;
    if (!users.emplace(reader.file_id(), FileUser{id, reader.session_id(), 0, state}).second) {
      return Broken(2, "reader ", id, " shares file ", reader.file_id());
    }
  }
  for (const auto& [id, file] : books.files.rows()) {
    if (file.kind() == File::KIND_BROUGHT) continue;
    const auto user = users.find(id);
    if (user == users.end()) {
      // Of a cursor file that is retired, nothing else is left.
      if (file.kind() == File::KIND_CURSOR && file.state() == File::STATE_RETIRED) continue;
      return Broken(2, "file ", id, " is nobody's");
    }
    if (user->second.session_id != file.session_id()) {
      return Broken(2, "file ", id, " is written by session ", file.session_id(), ", not by ",
                    user->second.session_id);
    }
    if (user->second.epoch != 0 && user->second.epoch != file.epoch()) {
      return Broken(2, "file ", id, " has epoch ", file.epoch(), ", not ", user->second.epoch);
    }
    if (user->second.state != file.state()) {
      return Broken(2, "file ", id, " is in state ", static_cast<int>(file.state()), ", not ",
                    static_cast<int>(user->second.state));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckExtentOwner(const Books& books, const Extent& extent, const File& file) {
  const uint64_t id = extent.extent_id();
  switch (extent.purpose()) {
    case Extent::PURPOSE_LANE_PAGE:
    case Extent::PURPOSE_SEGMENT: {
      const Lane* lane = books.lanes.Find(extent.owner_id());
      if (lane == nullptr || lane->file_id() != file.file_id()) {
        return Broken(5, "extent ", id, " belongs to no lane of file ", file.file_id());
      }
      return absl::OkStatus();
    }
    case Extent::PURPOSE_CURSOR: {
      const Reader* reader = books.readers.Find(extent.owner_id());
      const bool owned = reader != nullptr ? reader->file_id() == file.file_id()
                                           : file.kind() == File::KIND_CURSOR &&
                                                 file.state() == File::STATE_RETIRED;
      if (!owned) return Broken(5, "extent ", id, " belongs to no reader of its file");
      return absl::OkStatus();
    }
    case Extent::PURPOSE_SPLIT_SOURCE:
    case Extent::PURPOSE_SPLIT_TARGET: {
      const Split* split = books.splits.Find(extent.owner_id());
      const bool is_source = extent.purpose() == Extent::PURPOSE_SPLIT_SOURCE;
      if (split == nullptr ||
          file.file_id() != (is_source ? split->source_file_id() : split->target_file_id())) {
        return Broken(5, "extent ", id, " belongs to no split of its file");
      }
      return absl::OkStatus();
    }
    default:
      return Broken(5, "extent ", id, " has purpose ", static_cast<int>(extent.purpose()));
  }
}

absl::Status CheckExtents(const Books& books) {
  std::map<std::pair<uint64_t, uint64_t>, const Extent*> by_place;
  for (const auto& [id, extent] : books.extents.rows()) {
    const File* file = books.files.Find(extent.file_id());
    if (file == nullptr) return Broken(5, "extent ", id, " has no file ", extent.file_id());
    const bool brought = file->kind() == File::KIND_BROUGHT;
    if (!brought &&
        (extent.session_id() != file->session_id() || extent.epoch() != file->epoch())) {
      return Broken(3, "extent ", id, " is held by session ", extent.session_id(), " in epoch ",
                    extent.epoch(), ", its file by ", file->session_id(), " in ", file->epoch());
    }
    const std::optional<uint64_t> end = CheckedAdd(extent.offset(), extent.length());
    if (extent.length() == 0 || !end.has_value() || *end > file->size_bytes()) {
      return Broken(4, "extent ", id, " [", extent.offset(), ", +", extent.length(),
                    ") is not within its file of ", file->size_bytes());
    }
    if (!IsPageAligned(extent.offset()) || (!brought && !IsPageAligned(extent.length()))) {
      return Broken(4, "extent ", id, " is not made of whole pages");
    }
    if (extent.state() < Extent::STATE_RESERVED || extent.state() > Extent::STATE_RETURNING) {
      return Broken(5, "extent ", id, " is in state ", static_cast<int>(extent.state()));
    }
    by_place[{extent.file_id(), extent.offset()}] = &extent;
    absl::Status owner = CheckExtentOwner(books, extent, *file);
    if (!owner.ok()) return owner;
  }
  if (by_place.size() != books.extents.size()) return Broken(4, "two extents share an offset");
  const Extent* before = nullptr;
  for (const auto& [place, extent] : by_place) {
    if (before != nullptr && before->file_id() == extent->file_id() &&
        before->offset() + before->length() > extent->offset()) {
      return Broken(4, "extents ", before->extent_id(), " and ", extent->extent_id(), " overlap");
    }
    before = extent;
  }
  return absl::OkStatus();
}

absl::Status CheckProof(const Books& books) {
  for (const auto& [id, file] : books.files.rows()) {
    if (file.state() == File::STATE_RETIRED && !IsFenced(books, file.session_id())) {
      return Broken(6, "file ", id, " is retired, but session ", file.session_id(),
                    " is not fenced");
    }
  }
  for (const auto& [id, lane] : books.lanes.rows()) {
    const Session* session = FindSession(books, lane.session_id());
    const bool fenced = IsFenced(books, lane.session_id());
    if (lane.state() == Lane::STATE_RETIRED && !fenced) {
      return Broken(6, "lane ", id, " is retired, but its session is not fenced");
    }
    if (lane.state() == Lane::STATE_OPEN && (session == nullptr || fenced)) {
      return Broken(7, "lane ", id, " is open, but session ", lane.session_id(),
                    fenced ? " is fenced" : " is gone");
    }
  }
  for (const auto& [id, reader] : books.readers.rows()) {
    const bool alive = FindSession(books, reader.session_id()) != nullptr;
    if (reader.state() == Reader::STATE_OPEN && (!alive || IsFenced(books, reader.session_id()))) {
      return Broken(7, "reader ", id, " is open, but its session is fenced or gone");
    }
  }
  for (const auto& [id, session] : books.sessions.rows()) {
    const bool connected = session.connection_id() != 0;
    if (session.state() < Session::STATE_ATTACHED || session.state() > Session::STATE_FENCED ||
        connected != (session.state() == Session::STATE_ATTACHED)) {
      return Broken(7, "session ", id, " is in state ", static_cast<int>(session.state()),
                    " with connection ", session.connection_id());
    }
    if (!connected && session.process_exited()) return Broken(7, "session ", id, " is dead");
  }
  return absl::OkStatus();
}

absl::Status CheckLanes(const Books& books) {
  for (const auto& [id, lane] : books.lanes.rows()) {
    if (lane.state() < Lane::STATE_RESERVED || lane.state() > Lane::STATE_RETIRED) {
      return Broken(8, "lane ", id, " is in state ", static_cast<int>(lane.state()));
    }
    const Stream* stream = books.streams.Find(lane.stream_id());
    if (stream == nullptr) {
      if (lane.state() == Lane::STATE_RETIRED) continue;
      return Broken(8, "lane ", id, " has no stream ", lane.stream_id());
    }
    uint64_t bytes = 0;
    int pages = 0;
    for (const uint64_t extent_id : books.extents.OfOwner(id)) {
      const Extent& extent = *books.extents.Find(extent_id);
      if (extent.purpose() == Extent::PURPOSE_SEGMENT) {
        bytes += extent.length();
        continue;
      }
      const bool reserved = lane.state() == Lane::STATE_RESERVED;
      const bool agrees = (extent.state() == Extent::STATE_RESERVED) == reserved;
      if (extent.offset() == 0 && agrees) ++pages;
    }
    if (pages != 1) return Broken(8, "lane ", id, " has ", pages, " lane pages");
    if (bytes > stream->options().capacity_bytes()) {
      return Broken(8, "lane ", id, " has ", bytes, " bytes of segments, more than capacity_bytes ",
                    stream->options().capacity_bytes());
    }
    const bool ended = lane.state() == Lane::STATE_ENDED;
    const bool has_ended = ended || lane.state() == Lane::STATE_RETIRED;
    if (has_ended != (lane.end_cause() != v1::END_CAUSE_UNSPECIFIED)) {
      return Broken(8, "lane ", id, " has cause ", static_cast<int>(lane.end_cause()));
    }
    if (ended && books.cursors.ReadersOf(id).empty()) {
      return Broken(8, "lane ", id, " has ended and nobody reads it");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCursors(const Books& books) {
  std::set<std::pair<uint64_t, uint64_t>> versions;  // Lane and roster version.
  std::set<uint64_t> pages;
  for (const auto& [key, cursor] : books.cursors.rows()) {
    const Reader* reader = books.readers.Find(cursor.reader_id());
    const Lane* lane = books.lanes.Find(cursor.lane_id());
    const std::string name =
        absl::StrCat("cursor of reader ", cursor.reader_id(), " for lane ", cursor.lane_id());
    if (reader == nullptr || lane == nullptr || reader->stream_id() != lane->stream_id()) {
      return Broken(9, name, " joins what is not of one stream");
    }
    const Extent* page = books.extents.Find(cursor.extent_id());
    if (page == nullptr || page->purpose() != Extent::PURPOSE_CURSOR ||
        page->file_id() != reader->file_id() || !pages.insert(cursor.extent_id()).second) {
      return Broken(9, name, " has no page of its own");
    }
    const bool both_open =
        reader->state() == Reader::STATE_OPEN && lane->state() != Lane::STATE_RESERVED;
    const bool joined = cursor.roster_version() != 0;
    if (joined != both_open || joined != (page->state() == Extent::STATE_GRANTED)) {
      return Broken(9, name, joined ? " has joined too early" : " has not joined");
    }
    if (cursor.roster_version() > lane->roster_version()) {
      return Broken(9, name, " has version ", cursor.roster_version(), ", above the lane's ",
                    lane->roster_version());
    }
    if (joined && !versions.emplace(cursor.lane_id(), cursor.roster_version()).second) {
      return Broken(9, name, " shares its version");
    }
  }
  for (const auto& [id, reader] : books.readers.rows()) {
    if (reader.state() != Reader::STATE_RESERVED && reader.state() != Reader::STATE_OPEN) {
      return Broken(9, "reader ", id, " is in state ", static_cast<int>(reader.state()));
    }
    if (books.streams.Find(reader.stream_id()) == nullptr) {
      return Broken(9, "reader ", id, " has no stream ", reader.stream_id());
    }
    if (books.extents.OfOwner(id).size() != books.cursors.LanesOf(id).size()) {
      return Broken(9, "reader ", id, " has a page without a cursor");
    }
    if (reader.state() != Reader::STATE_OPEN) continue;
    for (const uint64_t lane_id : books.lanes.OfStream(reader.stream_id())) {
      const bool follows = books.cursors.Find({id, lane_id}) != nullptr;
      if (books.lanes.Find(lane_id)->state() == Lane::STATE_OPEN && !follows) {
        return Broken(9, "reader ", id, " does not follow lane ", lane_id);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckStreams(const Books& books) {
  Limits no_limits;
  no_limits.max_capacity_bytes_per_lane = uint64_t{1} << 40;
  for (const auto& [id, stream] : books.streams.rows()) {
    if (!ValidateStreamName(stream.name()).ok())
      return Broken(10, "stream ", id, " has a bad name");
    const auto whole = CompleteStreamOptions(stream.options(), no_limits);
    if (!whole.ok()) return Broken(10, "stream ", id, ": ", whole.status().ToString());
    if (whole->SerializeAsString() != stream.options().SerializeAsString()) {
      return Broken(10, "stream ", id, " has incomplete options");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSplits(const Books& books) {
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> counts;  // Split to (taken, completed).
  for (const auto& [key, row] : books.split_extents.rows()) {
    const Split* split = books.splits.Find(row.split_id());
    if (split == nullptr || row.index() >= split->next_index()) {
      return Broken(11, "extent ", row.index(), " of split ", row.split_id(), " was never taken");
    }
    const bool taken = row.state() == SplitExtent::STATE_TAKEN;
    counts[row.split_id()].first += taken ? 1 : 0;
    counts[row.split_id()].second += row.state() == SplitExtent::STATE_COMPLETED ? 1 : 0;
    for (const uint64_t extent_id : {row.source_extent_id(), row.target_extent_id()}) {
      if (!taken && extent_id == 0) continue;
      const Extent* extent = books.extents.Find(extent_id);
      if (!taken || extent == nullptr || extent->session_id() != row.session_id() ||
          extent->epoch() != row.epoch() || extent->owner_id() != row.split_id() ||
          extent->offset() != row.index() * split->extent_bytes()) {
        return Broken(11, "extent ", row.index(), " of split ", row.split_id(), " and its grant ",
                      extent_id, " disagree");
      }
    }
    if (taken && FindSession(books, row.session_id()) == nullptr) {
      return Broken(11, "extent ", row.index(), " of split ", row.split_id(), " has no worker");
    }
  }
  for (const auto& [id, split] : books.splits.rows()) {
    const auto [taken, completed] = counts[id];
    if (books.extents.OfOwner(id).size() != 2 * taken || split.completed() != completed ||
        split.next_index() > split.extent_count()) {
      return Broken(11, "split ", id, " has wrong counts");
    }
    if (split.closed() && taken == 0) return Broken(11, "split ", id, " is closed and idle");
    if (!split.closed() && FindSession(books, split.session_id()) == nullptr) {
      return Broken(11, "split ", id, " has no owner");
    }
    for (const uint64_t file_id : {split.source_file_id(), split.target_file_id()}) {
      const File* file = books.files.Find(file_id);
      if (file == nullptr || file->kind() != File::KIND_BROUGHT ||
          books.splits.OfFile(file_id).size() != 1) {
        return Broken(12, "split ", id, " uses file ", file_id);
      }
    }
  }
  return absl::OkStatus();
}

// 13, and with it the uniqueness of 10: an index by a unique property leads back to every row.
absl::Status CheckLookups(const Books& books) {
  for (const auto& [id, row] : books.streams.rows()) {
    if (books.streams.FindByName(row.name()) != &row) {
      return Broken(10, "stream ", id, " is not found by its name");
    }
  }
  for (const auto& [id, row] : books.sessions.rows()) {
    if (books.sessions.FindByToken(row.token_sha256()) != &row) {
      return Broken(10, "session ", id, " is not found by its token");
    }
  }
  for (const auto& [id, row] : books.splits.rows()) {
    if (!row.closed() && books.splits.FindByName(row.name()) != &row) {
      return Broken(10, "split ", id, " is not found by its name");
    }
  }
  for (const auto& [id, row] : books.lanes.rows()) {
    if (!row.idempotency_key().empty() &&
        books.lanes.FindByKey(row.session_id(), row.idempotency_key()) != &row) {
      return Broken(10, "lane ", id, " is not found by its key");
    }
    const bool listed = books.lanes.OfStream(row.stream_id()).count(id) == 1;
    if (listed == (row.state() == Lane::STATE_RETIRED) ||
        books.lanes.OfSession(row.session_id()).count(id) != 1) {
      return Broken(13, "lane ", id, " is not where it should be");
    }
  }
  for (const auto& [id, row] : books.readers.rows()) {
    if (!row.idempotency_key().empty() &&
        books.readers.FindByKey(row.session_id(), row.idempotency_key()) != &row) {
      return Broken(10, "reader ", id, " is not found by its key");
    }
    if (books.readers.OfStream(row.stream_id()).count(id) != 1 ||
        books.readers.OfSession(row.session_id()).count(id) != 1) {
      return Broken(13, "reader ", id, " is not where it should be");
    }
  }
  for (const auto& [key, row] : books.cursors.rows()) {
    if (books.cursors.LanesOf(key.first).count(key.second) != 1 ||
        books.cursors.ReadersOf(key.second).count(key.first) != 1) {
      return Broken(13, "the cursor of reader ", key.first, " is not where it should be");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSums(const Books& books) {
  std::map<uint64_t, uint64_t> writable;
  std::map<uint64_t, uint64_t> segments;
  uint64_t total = 0;
  for (const auto& [id, extent] : books.extents.rows()) {
    if (!extent.idempotency_key().empty() &&
        books.extents.FindByKey(extent.owner_id(), extent.idempotency_key()) != &extent) {
      return Broken(10, "extent ", id, " is not found by its key");
    }
    const auto& of_file = books.extents.OfFile(extent.file_id());
    const auto it = of_file.find(extent.offset());
    if (it == of_file.end() || it->second != id ||
        books.extents.OfOwner(extent.owner_id()).count(id) != 1 ||
        books.extents.OfSession(extent.session_id()).count(id) != 1) {
      return Broken(13, "extent ", id, " is not where it should be");
    }
    if (!RowTraits<Extent>::InStore(extent)) continue;
    writable[extent.session_id()] += extent.length();
    total += extent.length();
    if (extent.purpose() == Extent::PURPOSE_SEGMENT) segments[extent.owner_id()] += extent.length();
  }
  if (books.extents.TotalWritableBytes() != total ||
      books.extents.WritableBytesBySession().size() != writable.size()) {
    return Broken(13, "the sum of all extents is wrong");
  }
  for (const auto& [session_id, bytes] : writable) {
    if (books.extents.WritableBytes(session_id) != bytes) {
      return Broken(13, "the sum of session ", session_id, " is wrong");
    }
  }
  for (const auto& [id, lane] : books.lanes.rows()) {
    const auto it = segments.find(id);
    if (books.extents.SegmentBytes(id) != (it == segments.end() ? 0 : it->second)) {
      return Broken(13, "the sum of lane ", id, " is wrong");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckInvariants(const Books& books) {
  for (const auto check : {CheckAllIds, CheckFiles, CheckExtents, CheckProof, CheckLanes,
                           CheckCursors, CheckStreams, CheckSplits, CheckLookups, CheckSums}) {
    absl::Status status = check(books);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace causeway
