#include "control/state/queries.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "control/api/names/stream_name.h"
#include "control/state/holders.h"

namespace causeway {
namespace {

// The last id of the page before; 0 for the first page.
absl::StatusOr<uint64_t> ParseToken(const std::string& token) {
  uint64_t id = 0;
  if (token.empty()) return id;
  if (!absl::SimpleAtoi(token, &id) || absl::StrCat(id) != token) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_token ", QuotedName(token), " is not one that a page ended with"));
  }
  return id;
}

size_t SizeOf(const PageRequest& page) {
  return page.size == 0 ? kDefaultPageSize : std::min(page.size, kMaxPageSize);
}

// A page of what `view` makes of the ids from `begin` on. `id_of` gives the id of an iterator.
template <typename T, typename Iterator, typename IdOf, typename View>
Page<T> MakePage(Iterator begin, Iterator end, size_t size, IdOf id_of, View view) {
  Page<T> page;
  uint64_t last = 0;
  for (Iterator it = begin; it != end; ++it) {
    if (page.items.size() == size) {
      page.next_token = absl::StrCat(last);
      break;
    }
    last = id_of(it);
    page.items.push_back(view(it));
  }
  return page;
}

template <typename T, typename Table, typename View>
absl::StatusOr<Page<T>> PageOf(const Table& table, const PageRequest& request, View view) {
  const absl::StatusOr<uint64_t> after = ParseToken(request.token);
  if (!after.ok()) return after.status();
  return MakePage<T>(
      table.rows().upper_bound(*after), table.rows().end(), SizeOf(request),
      [](auto it) { return it->first; }, [&](auto it) { return view(it->second); });
}

AgentView ViewOf(const Books& books, const records::Session& session) {
  AgentView view{.session = session,
                 .granted_bytes = books.extents.WritableBytes(session.session_id())};
  for (const uint64_t lane_id : books.lanes.OfSession(session.session_id())) {
    if (books.lanes.Find(lane_id)->state() == records::Lane::STATE_OPEN) ++view.writers;
  }
  for (const uint64_t reader_id : books.readers.OfSession(session.session_id())) {
    if (books.readers.Find(reader_id)->state() == records::Reader::STATE_OPEN) ++view.readers;
  }
  return view;
}

std::string StreamOf(const Books& books, const records::Extent& extent) {
  uint64_t stream_id = 0;
  if (const records::Lane* lane = books.lanes.Find(extent.owner_id()); lane != nullptr) {
    stream_id = lane->stream_id();
  } else if (const records::Reader* reader = books.readers.Find(extent.owner_id());
             reader != nullptr) {
    stream_id = reader->stream_id();
  }
  const records::Stream* stream = books.streams.Find(stream_id);
  return stream == nullptr ? "" : stream->name();
}

ExtentView ViewOf(const Books& books, const records::Extent& extent) {
  const records::Session* session = books.sessions.Find(extent.session_id());
  return ExtentView{.extent = extent,
                    .agent_name = session == nullptr ? "" : session->agent_name(),
                    .stream = StreamOf(books, extent)};
}

LaneView ViewOf(const Books& books, const records::Lane& lane) {
  LaneView view{.lane = lane, .bytes = books.extents.SegmentBytes(lane.lane_id())};
  // All its extents but the lane page.
  view.segments = static_cast<uint32_t>(books.extents.OfOwner(lane.lane_id()).size() - 1);
  return view;
}

StreamView ViewOf(const Books& books, const records::Stream& stream) {
  StreamView view{.stream = stream};
  for (const uint64_t lane_id : books.lanes.OfStream(stream.stream_id())) {
    ++view.lanes;
    view.granted_bytes += books.extents.SegmentBytes(lane_id);
  }
  view.readers = static_cast<uint32_t>(books.readers.OfStream(stream.stream_id()).size());
  return view;
}

absl::Status NotFound(std::string_view kind, uint64_t id) {
  return absl::NotFoundError(
      absl::StrCat("no ", std::string(kind), " ", id, "; it may have ended"));
}

}  // namespace

absl::StatusOr<Page<AgentView>> ListAgents(const Books& books, const PageRequest& page) {
  return PageOf<AgentView>(books.sessions, page,
                           [&](const records::Session& row) { return ViewOf(books, row); });
}

absl::StatusOr<Page<records::File>> ListFiles(const Books& books, const PageRequest& page) {
  return PageOf<records::File>(books.files, page, [](const records::File& row) { return row; });
}

absl::StatusOr<Page<StreamView>> ListStreams(const Books& books, const PageRequest& page) {
  return PageOf<StreamView>(books.streams, page,
                            [&](const records::Stream& row) { return ViewOf(books, row); });
}

absl::StatusOr<Page<ExtentView>> ListExtents(const Books& books, const ExtentFilter& filter,
                                             const PageRequest& page) {
  const auto view = [&](const records::Extent& row) { return ViewOf(books, row); };
  if (filter.file_id == 0 && filter.session_id == 0) {
    return PageOf<ExtentView>(books.extents, page, view);
  }
  const absl::StatusOr<uint64_t> after = ParseToken(page.token);
  if (!after.ok()) return after.status();
  std::set<uint64_t> ids;
  if (filter.file_id != 0) {
    for (const auto& [offset, extent_id] : books.extents.OfFile(filter.file_id)) {
      if (filter.session_id == 0 ||
          books.extents.Find(extent_id)->session_id() == filter.session_id) {
        ids.insert(extent_id);
      }
    }
  }
  const std::set<uint64_t>& chosen =
      filter.file_id != 0 ? ids : books.extents.OfSession(filter.session_id);
  return MakePage<ExtentView>(
      chosen.upper_bound(*after), chosen.end(), SizeOf(page), [](auto it) { return *it; },
      [&](auto it) { return view(*books.extents.Find(*it)); });
}

absl::StatusOr<AgentView> DescribeAgent(const Books& books, uint64_t session_id) {
  const records::Session* session = books.sessions.Find(session_id);
  if (session == nullptr) return NotFound("session", session_id);
  return ViewOf(books, *session);
}

absl::StatusOr<records::File> DescribeFile(const Books& books, uint64_t file_id) {
  const records::File* file = books.files.Find(file_id);
  if (file == nullptr) return NotFound("file", file_id);
  return *file;
}

absl::StatusOr<StreamDetails> DescribeStream(const Books& books, std::string_view name) {
  const records::Stream* stream = books.streams.FindByName(name);
  if (stream == nullptr) {
    return absl::NotFoundError(absl::StrCat("no stream is named ", QuotedName(name)));
  }
  StreamDetails details{.view = ViewOf(books, *stream)};
  for (const uint64_t lane_id : books.lanes.OfStream(stream->stream_id())) {
    details.lanes.push_back(ViewOf(books, *books.lanes.Find(lane_id)));
    for (const uint64_t reader_id : books.cursors.ReadersOf(lane_id)) {
      const records::Cursor& cursor = *books.cursors.Find({reader_id, lane_id});
      details.cursors.push_back(
          CursorView{.cursor = cursor,
                     .policy = books.readers.Find(reader_id)->policy(),
                     .session_id = books.readers.Find(reader_id)->session_id(),
                     .page = *books.extents.Find(cursor.extent_id())});
    }
  }
  return details;
}

std::vector<SpaceHolder> LargestHolders(const Books& books, size_t count) {
  std::vector<SpaceHolder> holders;
  for (const auto& [session_id, bytes] : books.extents.WritableBytesBySession()) {
    const records::Session* session = books.sessions.Find(session_id);
    holders.push_back(SpaceHolder{.session_id = session_id,
                                  .agent_name = session == nullptr ? "" : session->agent_name(),
                                  .bytes = bytes});
  }
  std::sort(holders.begin(), holders.end(), [](const SpaceHolder& a, const SpaceHolder& b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.session_id < b.session_id;
  });
  if (holders.size() > count) holders.resize(count);
  return holders;
}

std::string DescribeLargestHolders(const Books& books, size_t count) {
  std::map<uint64_t, uint64_t> bytes;
  for (const SpaceHolder& holder : LargestHolders(books, count)) {
    bytes[holder.session_id] = holder.bytes;
  }
  return DescribeHolders(books, bytes);
}

}  // namespace causeway
