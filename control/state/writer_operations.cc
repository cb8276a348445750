#include "control/state/writer_operations.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/state/events.h"
#include "control/state/holders.h"
#include "control/state/lifecycle.h"
#include "control/state/reservation.h"
#include "control/state/segment_layout.h"
#include "control/state/stream_operations.h"
#include "control/state/stream_options.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

// A writer has the segment that it writes and the one that comes next.
constexpr int kFirstSegments = 2;

absl::Status NoSuchLane(uint64_t session_id, uint64_t lane_id) {
  return absl::NotFoundError(
      absl::StrCat("session ", session_id, " has no lane ", lane_id, "; it may have ended"));
}

absl::Status LaneEndedError(const records::Lane& lane) {
  return absl::FailedPreconditionError(
      absl::StrCat("lane ", lane.lane_id(), " has ended; open a writer anew"));
}

// The session's lane, open or ended.
absl::StatusOr<const records::Lane*> FindLane(const Books& books, uint64_t session_id,
                                              uint64_t lane_id) {
  const records::Lane* lane = books.lanes.Find(lane_id);
  if (lane == nullptr || lane->session_id() != session_id ||
      lane->state() == records::Lane::STATE_RESERVED) {
    return NoSuchLane(session_id, lane_id);
  }
  return lane;
}

absl::StatusOr<const records::Lane*> FindOpenLane(const Books& books, uint64_t session_id,
                                                  uint64_t lane_id) {
  absl::StatusOr<const records::Lane*> lane = FindLane(books, session_id, lane_id);
  if (lane.ok() && (*lane)->state() != records::Lane::STATE_OPEN) return LaneEndedError(**lane);
  return lane;
}

WriterGrant GrantOf(const Books& books, const records::Lane& lane) {
  WriterGrant grant{.stream = *books.streams.Find(lane.stream_id()), .lane = lane};
  for (const auto& [offset, extent_id] : books.extents.OfFile(lane.file_id())) {
    const records::Extent& extent = *books.extents.Find(extent_id);
    if (extent.purpose() == records::Extent::PURPOSE_LANE_PAGE) {
      grant.lane_page = extent;
    } else if (extent.state() == records::Extent::STATE_GRANTED ||
               lane.state() == records::Lane::STATE_RESERVED) {
      grant.segments.push_back(extent);
    }
  }
  return grant;
}

// The answer to a key that was used before.
absl::StatusOr<WriterReservation> Again(Books* books, const OpenWriter& request,
                                        const records::Lane& lane) {
  const records::Stream* stream = books->streams.Find(lane.stream_id());
  if (stream == nullptr || stream->name() != request.stream) {
    return absl::InvalidArgumentError(
        absl::StrCat("the idempotency key opened lane ", lane.lane_id(), " of another stream"));
  }
  if (lane.state() == records::Lane::STATE_RESERVED) {
    return absl::UnavailableError(
        absl::StrCat("lane ", lane.lane_id(), " is still being prepared; retry"));
  }
  if (lane.state() != records::Lane::STATE_OPEN) return LaneEndedError(lane);
  SendDescriptor(books, lane.session_id(), lane.file_id(), v1::PROTECTION_READ_WRITE);
  return WriterReservation{.already_open = true, .grant = GrantOf(*books, lane)};
}

absl::StatusOr<uint64_t> SegmentLength(const Books& books, const records::Lane& lane,
                                       uint64_t asked) {
  const v1::StreamOptions& options = books.streams.Find(lane.stream_id())->options();
  if (asked == 0) return options.segment_bytes();
  const uint64_t most = std::max(options.segment_bytes(), SegmentBytesOfLargestFrame(options));
  const std::optional<uint64_t> length = RoundUpToPage(asked);
  if (!length.has_value() || *length < SmallestSegmentBytes() || *length > most) {
    return absl::InvalidArgumentError(absl::StrCat("a segment of ", asked, " bytes is outside of ",
                                                   SmallestSegmentBytes(), " to ", most,
                                                   ", what the stream's largest frame needs"));
  }
  return *length;
}

// What is granted where the capacity allows. Ordinary segments are as long as the stream says.
uint64_t FullLength(const Books& books, const records::Lane& lane, uint64_t length) {
  const v1::StreamOptions& options = books.streams.Find(lane.stream_id())->options();
  if (length <= options.segment_bytes()) return length;
  return FullSegmentBytes(books.limits, options.durability(), length);
}

}  // namespace

absl::StatusOr<WriterReservation> WriterOperations::Reserve(const OpenWriter& request) {
  if (absl::Status status = RequireConnected(books_, request.session_id); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckIdempotencyKey(request.idempotency_key); !status.ok()) {
    return status;
  }
  if (const records::Lane* lane =
          books_.lanes.FindByKey(request.session_id, request.idempotency_key);
      lane != nullptr) {
    return Again(&books_, request, *lane);
  }
  StreamOperations streams(&books_);
  absl::StatusOr<records::Stream> planned = streams.Plan(request.stream, request.create_options);
  if (!planned.ok()) return planned.status();
  if (absl::Status status = CheckLaneLimits(books_, *planned, request.session_id); !status.ok()) {
    return status;
  }
  const uint64_t segment_bytes = planned->options().segment_bytes();
  const uint64_t bytes = PageSize() + kFirstSegments * segment_bytes;
  if (absl::Status status = CheckWritableBytes(books_, request.session_id, bytes); !status.ok()) {
    return status;
  }

  const records::Stream stream = streams.Ensure(*std::move(planned), request.now_unix_ms);
  const records::File file =
      ReserveFile(&books_, records::File::KIND_LANE, "lane-", stream.options().durability(),
                  request.session_id, request.now_unix_ms);
  records::Lane lane;
  lane.set_lane_id(books_.NextId());
  lane.set_stream_id(stream.stream_id());
  lane.set_session_id(request.session_id);
  lane.set_file_id(file.file_id());
  lane.set_epoch(file.epoch());
  lane.set_state(records::Lane::STATE_RESERVED);
  lane.set_idempotency_key(request.idempotency_key);
  books_.lanes.Put(lane);
  ReserveExtent(&books_, file.file_id(), 0, PageSize(), records::Extent::PURPOSE_LANE_PAGE,
                lane.lane_id());
  // Behind the lane page, at the next place where segments may stand.
  const uint64_t first =
      SegmentAlignment(books_.limits, stream.options().durability(), segment_bytes);
  for (int i = 0; i < kFirstSegments; ++i) {
    ReserveExtent(&books_, file.file_id(), first + i * segment_bytes, segment_bytes,
                  records::Extent::PURPOSE_SEGMENT, lane.lane_id());
  }
  WriterReservation reservation{.grant = GrantOf(books_, lane)};
  FileRange range{.file_id = file.file_id(),
                  .name = file.name(),
                  .durability = file.durability(),
                  .create = true,
                  .offset = 0,
                  .length = PageSize()};
  if (first > PageSize()) {
    reservation.to_back.push_back(range);
    range.create = false;
    range.offset = first;
    range.length = 0;
  }
  range.length += kFirstSegments * segment_bytes;
  reservation.to_back.push_back(std::move(range));
  for (const uint64_t reader_id : books_.readers.OfStream(stream.stream_id())) {
    if (books_.readers.Find(reader_id)->state() != records::Reader::STATE_OPEN) continue;
    reservation.to_back.push_back(ReserveCursor(&books_, reader_id, lane.lane_id()));
  }
  return reservation;
}

absl::StatusOr<WriterGrant> WriterOperations::Confirm(uint64_t lane_id, int64_t now_unix_ms) {
  const records::Lane* reserved = books_.lanes.Find(lane_id);
  if (reserved == nullptr || reserved->state() != records::Lane::STATE_RESERVED) {
    return absl::NotFoundError(absl::StrCat("lane ", lane_id, " is not reserved"));
  }
  if (absl::Status status = RequireAlive(books_, reserved->session_id()); !status.ok()) {
    return status;
  }
  records::File file = *books_.files.Find(reserved->file_id());
  file.set_state(records::File::STATE_LIVE);
  books_.files.Put(std::move(file));
  records::Lane lane = *reserved;
  lane.set_state(records::Lane::STATE_OPEN);
  books_.lanes.Put(lane);
  for (const auto& [offset, extent_id] : books_.extents.OfFile(lane.file_id())) {
    GrantExtent(&books_, extent_id, now_unix_ms);
  }
  SendDescriptor(&books_, lane.session_id(), lane.file_id(), v1::PROTECTION_READ_WRITE);
  const std::set<uint64_t> readers = books_.cursors.ReadersOf(lane_id);
  for (const uint64_t reader_id : readers) {
    // A reader that is reserved joins when it is confirmed.
    if (books_.readers.Find(reader_id)->state() == records::Reader::STATE_OPEN) {
      JoinReader(&books_, reader_id, lane_id, now_unix_ms);
    }
  }
  return GrantOf(books_, *books_.lanes.Find(lane_id));
}

absl::Status WriterOperations::Cancel(uint64_t lane_id) {
  const records::Lane* lane = books_.lanes.Find(lane_id);
  if (lane == nullptr || lane->state() != records::Lane::STATE_RESERVED) {
    return absl::NotFoundError(absl::StrCat("lane ", lane_id, " is not reserved"));
  }
  DropReservedLane(&books_, lane_id);
  return absl::OkStatus();
}

absl::StatusOr<SegmentReservation> WriterOperations::ReserveSegment(const GrantSegment& request) {
  const auto found = FindOpenLane(books_, request.session_id, request.lane_id);
  if (!found.ok()) return found.status();
  const records::Lane& lane = **found;
  if (absl::Status status = CheckIdempotencyKey(request.idempotency_key); !status.ok()) {
    return status;
  }
  absl::StatusOr<uint64_t> length = SegmentLength(books_, lane, request.length);
  if (!length.ok()) return length.status();
  if (const records::Extent* extent =
          books_.extents.FindByKey(request.lane_id, request.idempotency_key);
      extent != nullptr) {
    if (extent->state() != records::Extent::STATE_GRANTED) {
      return absl::UnavailableError(absl::StrCat("extent ", extent->extent_id(), " of lane ",
                                                 request.lane_id, " is in transition; retry"));
    }
    if (extent->length() != *length && extent->length() != FullLength(books_, lane, *length)) {
      return absl::InvalidArgumentError(absl::StrCat("the idempotency key was granted ",
                                                     extent->length(), " bytes, not ", *length));
    }
    return SegmentReservation{.already_granted = true, .extent = *extent};
  }
  const uint64_t full = FullLength(books_, lane, *length);
  if (CheckLaneCapacity(books_, lane, full).ok()) length = full;
  if (absl::Status status = CheckLaneCapacity(books_, lane, *length); !status.ok()) return status;
  if (absl::Status status = CheckWritableBytes(books_, request.session_id, *length); !status.ok()) {
    return status;
  }
  const absl::StatusOr<uint64_t> offset = books_.extents.FindSpace(
      lane.file_id(), *length,
      SegmentAlignment(books_.limits, books_.files.Find(lane.file_id())->durability(), *length));
  if (!offset.ok()) return offset.status();
  const records::Extent extent =
      ReserveExtent(&books_, lane.file_id(), *offset, *length, records::Extent::PURPOSE_SEGMENT,
                    request.lane_id, request.idempotency_key);
  return SegmentReservation{.extent = extent, .to_back = RangeOf(books_, extent)};
}

absl::StatusOr<records::Extent> WriterOperations::ConfirmSegment(uint64_t extent_id,
                                                                 int64_t now_unix_ms) {
  const records::Extent* extent = books_.extents.Find(extent_id);
  if (extent == nullptr || extent->purpose() != records::Extent::PURPOSE_SEGMENT ||
      extent->state() != records::Extent::STATE_RESERVED) {
    return absl::NotFoundError(absl::StrCat("segment ", extent_id, " is not reserved"));
  }
  const records::Lane& lane = *books_.lanes.Find(extent->owner_id());
  if (lane.state() != records::Lane::STATE_OPEN) return LaneEndedError(lane);
  GrantExtent(&books_, extent_id, now_unix_ms);
  return *books_.extents.Find(extent_id);
}

absl::Status WriterOperations::CancelSegment(uint64_t extent_id) {
  const records::Extent* extent = books_.extents.Find(extent_id);
  if (extent == nullptr) return absl::OkStatus();
  if (extent->purpose() != records::Extent::PURPOSE_SEGMENT ||
      extent->state() != records::Extent::STATE_RESERVED) {
    return absl::FailedPreconditionError(
        absl::StrCat("extent ", extent_id, " is not a reserved segment"));
  }
  books_.extents.Erase(extent_id);
  return absl::OkStatus();
}

absl::StatusOr<SegmentReservation> WriterOperations::BeginReturn(uint64_t session_id,
                                                                 uint64_t lane_id, uint64_t offset,
                                                                 uint64_t extent_id) {
  const auto lane = FindOpenLane(books_, session_id, lane_id);
  if (!lane.ok()) return lane.status();
  const auto& extents = books_.extents.OfFile((*lane)->file_id());
  const auto it = extents.find(offset);
  const records::Extent* extent = it == extents.end() ? nullptr : books_.extents.Find(it->second);
  if (extent == nullptr || extent->purpose() != records::Extent::PURPOSE_SEGMENT ||
      extent->state() != records::Extent::STATE_GRANTED) {
    return absl::NotFoundError(
        absl::StrCat("lane ", lane_id, " holds no segment at offset ", offset));
  }
  if (extent_id != 0 && extent_id != extent->extent_id()) {
    return absl::NotFoundError(absl::StrCat("grant ", extent_id, " of lane ", lane_id,
                                            " at offset ", offset,
                                            " was returned; the range has been granted anew"));
  }
  records::Extent returning = *extent;
  returning.set_state(records::Extent::STATE_RETURNING);
  books_.extents.Put(returning);
  return SegmentReservation{.extent = returning, .to_back = RangeOf(books_, returning)};
}

absl::Status WriterOperations::FinishReturn(uint64_t extent_id) {
  const records::Extent* extent = books_.extents.Find(extent_id);
  if (extent == nullptr) return absl::OkStatus();
  if (extent->state() != records::Extent::STATE_RETURNING) {
    return absl::FailedPreconditionError(
        absl::StrCat("extent ", extent_id, " is not being returned"));
  }
  books_.extents.Erase(extent_id);
  return absl::OkStatus();
}

absl::Status WriterOperations::Close(uint64_t session_id, uint64_t lane_id) {
  const auto lane = FindLane(books_, session_id, lane_id);
  if (!lane.ok()) return lane.status();
  if ((*lane)->state() == records::Lane::STATE_OPEN) {
    EndLane(&books_, lane_id, v1::END_CAUSE_CLOSED);
  }
  return absl::OkStatus();
}

}  // namespace causeway
