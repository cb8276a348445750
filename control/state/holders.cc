#include "control/state/holders.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/api/names/stream_name.h"
#include "control/state/events.h"
#include "control/state/limits.h"

namespace causeway {
namespace {

// The largest of (amount, name), in words.
std::string DescribeLargest(std::vector<std::pair<uint64_t, std::string>> amounts) {
  if (amounts.empty()) return "nobody";
  const size_t named = std::min(amounts.size(), kNamedHolders);
  std::partial_sort(amounts.begin(), amounts.begin() + static_cast<std::ptrdiff_t>(named),
                    amounts.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> words;
  for (size_t i = 0; i < named; ++i) {
    words.push_back(absl::StrCat(amounts[i].second, " ", amounts[i].first));
  }
  if (amounts.size() > named) words.push_back(absl::StrCat(amounts.size() - named, " others"));
  return absl::StrJoin(words, ", ");
}

std::string DescribeOwner(const Books& books, uint64_t owner_id) {
  const records::Lane* lane = books.lanes.Find(owner_id);
  if (lane == nullptr) return absl::StrCat("reader ", owner_id);
  const records::Stream* stream = books.streams.Find(lane->stream_id());
  return absl::StrCat("lane ", owner_id, " of stream ",
                      stream == nullptr ? "(deleted)" : QuotedName(stream->name()));
}

}  // namespace

std::string DescribeHolders(const Books& books, const std::map<uint64_t, uint64_t>& amounts) {
  std::vector<std::pair<uint64_t, std::string>> named;
  for (const auto& [session_id, amount] : amounts) {
    named.emplace_back(amount, DescribeSession(books, session_id));
  }
  return DescribeLargest(std::move(named));
}

absl::Status CheckWritableBytes(const Books& books, uint64_t session_id, uint64_t more) {
  const uint64_t limit = books.limits.max_writable_bytes_per_agent;
  const uint64_t held = books.extents.WritableBytes(session_id);
  if (more <= limit && held <= limit - more) return absl::OkStatus();
  std::map<uint64_t, uint64_t> by_owner;
  for (const uint64_t extent_id : books.extents.OfSession(session_id)) {
    const records::Extent& extent = *books.extents.Find(extent_id);
    if (RowTraits<records::Extent>::InStore(extent)) by_owner[extent.owner_id()] += extent.length();
  }
  std::vector<std::pair<uint64_t, std::string>> named;
  for (const auto& [owner_id, bytes] : by_owner) {
    named.emplace_back(bytes, DescribeOwner(books, owner_id));
  }
  return LimitMet(
      "max_writable_bytes_per_agent", limit,
      absl::StrCat(DescribeSession(books, session_id), " holds ", held, " bytes and asks for ",
                   more, " more; its largest holdings: ", DescribeLargest(std::move(named))),
      "return segments, close writers, or let readers catch up");
}

absl::Status CheckLaneLimits(const Books& books, const records::Stream& stream,
                             uint64_t session_id) {
  const auto& lanes = books.lanes.OfStream(stream.stream_id());
  if (lanes.size() >= books.limits.max_lanes_per_stream) {
    std::map<uint64_t, uint64_t> writers;
    std::map<uint64_t, uint64_t> followers;
    for (const uint64_t lane_id : lanes) {
      const records::Lane& lane = *books.lanes.Find(lane_id);
      if (lane.state() != records::Lane::STATE_ENDED) {
        ++writers[lane.session_id()];
        continue;
      }
      for (const uint64_t reader_id : books.cursors.ReadersOf(lane_id)) {
        ++followers[books.readers.Find(reader_id)->session_id()];
      }
    }
    return LimitMet("max_lanes_per_stream", books.limits.max_lanes_per_stream,
                    absl::StrCat("stream ", QuotedName(stream.name()), " has ", lanes.size(),
                                 " lanes; writers: ", DescribeHolders(books, writers),
                                 "; readers of ended ones: ", DescribeHolders(books, followers)),
                    "close writers, or let the readers read on");
  }
  const size_t own = books.lanes.OfSession(session_id).size();
  if (own >= books.limits.max_lanes_per_agent) {
    return LimitMet("max_lanes_per_agent", books.limits.max_lanes_per_agent,
                    absl::StrCat(DescribeSession(books, session_id), " has ", own, " lanes"),
                    "close writers; ended lanes count until their readers have released them");
  }
  return absl::OkStatus();
}

absl::Status CheckReaderLimits(const Books& books, const records::Stream& stream,
                               uint64_t session_id) {
  const auto& readers = books.readers.OfStream(stream.stream_id());
  if (readers.size() >= books.limits.max_readers_per_stream) {
    std::map<uint64_t, uint64_t> holders;
    for (const uint64_t reader_id : readers) ++holders[books.readers.Find(reader_id)->session_id()];
    return LimitMet("max_readers_per_stream", books.limits.max_readers_per_stream,
                    absl::StrCat("stream ", QuotedName(stream.name()), " has ", readers.size(),
                                 " readers: ", DescribeHolders(books, holders)),
                    "close readers");
  }
  const size_t own = books.readers.OfSession(session_id).size();
  if (own >= books.limits.max_readers_per_agent) {
    return LimitMet("max_readers_per_agent", books.limits.max_readers_per_agent,
                    absl::StrCat(DescribeSession(books, session_id), " has ", own, " readers"),
                    "close readers");
  }
  return absl::OkStatus();
}

absl::Status CheckLaneCapacity(const Books& books, const records::Lane& lane, uint64_t more) {
  const records::Stream& stream = *books.streams.Find(lane.stream_id());
  const uint64_t capacity = stream.options().capacity_bytes();
  const uint64_t held = books.extents.SegmentBytes(lane.lane_id());
  if (more <= capacity && held <= capacity - more) return absl::OkStatus();
  std::map<uint64_t, uint64_t> readers;
  for (const uint64_t reader_id : books.cursors.ReadersOf(lane.lane_id())) {
    ++readers[books.readers.Find(reader_id)->session_id()];
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "capacity_bytes (", capacity, ") of stream ", QuotedName(stream.name()), " is met: lane ",
      lane.lane_id(), " holds ", held, " bytes of segments and asks for ", more,
      " more; its readers: ", DescribeHolders(books, readers),
      "; wait until the readers have left a segment"));
}

}  // namespace causeway
