#include "mmapcore/lane_reader.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/reader_segments.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/sigbus_guard.h"
#include "mmapcore/spin_pause.h"

namespace causeway {
namespace {

// Where a reader looks while it stands in no segment: nothing is ever committed there.
alignas(kFrameAlignment) constexpr std::byte kNowhere[kHeaderPageBytes] = {};

// Marks no frame: there is no such kind.
constexpr uint32_t kNoMark = ~uint32_t{0};

// A timestamp may be later than this reader's clock by so much: clocks of different processors may
// differ a little.
constexpr uint64_t kClockSlackNanos = 1'000'000;

// How many segments one TryNext() follows. An honest lane needs few, a hostile one has no end.
constexpr int kMaxSegmentsPerCall = 16;

// See LaneReader::Linger().
constexpr int64_t kShortestStayNanos = 1000;
constexpr int64_t kLongestStayNanos = 16'000;
constexpr uint64_t kStreamingFrames = 4;       // while away for the shortest time
constexpr uint64_t kFastStreamingFrames = 24;  // in each microsecond
constexpr uint32_t kCatchUpsPerProbe = 256;

// Beyond this no lane gets in years; positions below it can be added without wrapping.
constexpr uint64_t kMaxBasePosition = uint64_t{1} << 62;

}  // namespace

absl::StatusOr<std::unique_ptr<LaneReader>> LaneReader::Create(MappedFile lane_file,
                                                               uint64_t lane_page_offset,
                                                               const MappedFile& cursor_file,
                                                               uint64_t cursor_offset,
                                                               const LaneReaderOptions& options) {
  const bool guarded = SigbusGuard::installed();
  absl::StatusOr<Mapping> lane_mapping = Mapping::Map(
      lane_file, lane_page_offset, kHeaderPageBytes,
      {.protection = Protection::kRead, .populate = Populate::kForReading, .guarded = guarded});
  if (!lane_mapping.ok()) return lane_mapping.status();
  absl::StatusOr<Mapping> cursor_mapping =
      Mapping::Map(cursor_file, cursor_offset, kHeaderPageBytes,
                   {.protection = Protection::kReadWrite,
                    .populate = Populate::kForWriting,
                    .guarded = guarded});
  if (!cursor_mapping.ok()) return cursor_mapping.status();

  CAUSEWAY_CRASH_POINT("reader.create.pages_mapped");
  CursorPage& cursor = PageAt<CursorPage>(cursor_mapping->mutable_data());
  if (IsPublished(cursor.page)) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: the cursor page at offset %u has been published before; a cursor page "
                        "serves one reader, once",
                        cursor_file.label(), cursor_offset));
  }
  PublishPage({.kind = PageKind::kCursor,
               .lane = options.identity,
               .reader_id = options.reader_id,
               .offset = cursor_offset,
               .length = kHeaderPageBytes},
              cursor.page);
  CAUSEWAY_CRASH_POINT("reader.create.cursor_published");
  std::unique_ptr<LaneReader> reader(new LaneReader(std::move(lane_file), *std::move(lane_mapping),
                                                    lane_page_offset, *std::move(cursor_mapping),
                                                    options));
  if (IsPublished(reader->lane_page_->page)) {
    if (absl::Status status = reader->CheckLanePage(); !status.ok()) return status;
  }
  if (reader->lappable_ || options.start.at != LaneStart::At::kOldest) reader->ChooseStart();
  return reader;
}

LaneReader::LaneReader(MappedFile lane_file, Mapping lane_mapping, uint64_t lane_page_offset,
                       Mapping cursor_mapping, const LaneReaderOptions& options)
    : segment_(kNowhere),
      mark_(kNoMark),
      stamped_mark_(kNoMark),
      mapping_(&lane_mapping_),
      options_(options),
      lappable_(!Holds(options.policy)),
      segments_(std::move(lane_file), options.identity, options.max_mapped_bytes),
      lane_mapping_(std::move(lane_mapping)),
      lane_page_(&PageAt<LanePage>(lane_mapping_.data())),
      cursor_mapping_(std::move(cursor_mapping)),
      lane_page_offset_(lane_page_offset) {
  cursor_ = &PageAt<CursorPage>(cursor_mapping_.mutable_data());
}

LaneReader::~LaneReader() { Close(); }

FrameView LaneReader::TryNextSlow() {
  FrameView frame;
  if (TakeStampedFrame(frame)) return frame;
  if (const std::optional<FrameView> told = Prepare()) return *told;
  return ReadOn();
}

std::optional<FrameView> LaneReader::Prepare() {
  if (finished()) return FrameView{.state = state_};
  Release();
  status_ = absl::OkStatus();
  if (!joined_) {
    if (absl::Status status = CheckPages(); !status.ok()) return Fail(std::move(status));
    if (!MayJoin()) {
      // Acquire: what the caller of SetWriterGone() knew.
      const LaneEnd gone = writer_gone_.load(std::memory_order_acquire);
      if (gone == LaneEnd::kNotEnded) return FrameView{.state = ReadState::kNotJoined};
      end_ = gone;
      return Finish(ReadState::kEnded);
    }
    return Join();
  }
  if (lapped_) return Recover(absl::OkStatus());
  return std::nullopt;
}

FrameView LaneReader::ReadOn() {
  for (int segments = 0; segments < kMaxSegmentsPerCall;) {
    // Before the word: if the writer is gone, everything that it ever committed is visible below.
    const LaneEnd gone = writer_gone_.load(std::memory_order_acquire);
    const uint64_t word = HeaderWordAt(segment_, offset_).LoadAcquire();
    // After the word: what it says may come from a page of zeros, or from the segment's next use.
    absl::Status problem = CheckPages();
    if (problem.ok() && !(lappable_ && !Intact())) {
      const HeaderWordFields fields = DecodeHeaderWord(word);
      if (fields.mark == data_mark_) {
        // Not in TryNext(): the lane has just got here, or the reader may be lapped.
        const uint64_t next = offset_ + FrameSpan(fields.length);
        if (!Fits(fields.length)) return Fail(WrongWord(word));
        if (position() < start_position_) {
          offset_ = next;
          ++passed_over_;
          SetMark();
          continue;
        }
        uint64_t timestamp_ns = 0;
        if (options_.timestamps) {
          timestamp_ns = TimestampAt(segment_, offset_).LoadRelaxed();
          // I10, for this load.
          if (lappable_ && !Intact()) continue;
          if (!IsPlausible(timestamp_ns)) return Fail(WrongTimestamp(timestamp_ns));
        }
        const FrameView frame = ViewOf(fields.length, timestamp_ns);
        holding_ = lappable_;
        whole_ = true;
        held_offset_ = offset_;
        offset_ = next;
        ++frames_;
        return frame;
      }
      const bool closed = word == EncodeHeaderWord(0, FrameMark(FrameKind::kClose, generation_));
      if (word == 0 || closed) {
        if (position() < start_position_) {
          return CutOff(absl::StrFormat("position %u lies beyond the last frame, which ends at %u",
                                        start_position_, position()));
        }
        if (word == 0 && gone == LaneEnd::kNotEnded) {
          if (!Linger()) return NothingYet();
          continue;
        }
        end_ = closed ? LaneEnd::kClosed : gone;
        return Finish(ReadState::kEnded);
      }
      if (word != EncodeHeaderWord(0, FrameMark(FrameKind::kEnd, generation_))) {
        return Fail(WrongWord(word));
      }
      problem = FollowEnd();
      ++segments;
      if (problem.ok()) continue;
    }
    if (!lappable_) return Fail(std::move(problem));
    if (const std::optional<FrameView> told = Recover(std::move(problem))) return *told;
    ++segments;
  }
  return {.state = ReadState::kNothing};
}

uint32_t LaneReader::DataMark(uint64_t generation) const {
  return FrameMark(FrameKind::kData, generation,
                   options_.timestamps ? FrameFlags::kStamped : FrameFlags::kNone);
}

bool LaneReader::Fits(uint32_t length) const {
  return offset_ + FrameSpan(length) <= limit_ && length >= stamp_bytes() &&
         length - stamp_bytes() <= options_.max_frame_bytes;
}

bool LaneReader::IsPlausible(uint64_t timestamp_ns) {
  if (timestamp_ns > latest_plausible_) {
    latest_plausible_ = static_cast<uint64_t>(Deadline::NowNanos()) + kClockSlackNanos;
  }
  if (timestamp_ns < last_timestamp_ || timestamp_ns > latest_plausible_) return false;
  last_timestamp_ = timestamp_ns;
  return true;
}

FrameView LaneReader::ViewOf(uint32_t length, uint64_t timestamp_ns) const {
  return {.data = segment_ + offset_ + kHeaderWordBytes + stamp_bytes(),
          .size = static_cast<uint32_t>(length - stamp_bytes()),
          .state = ReadState::kFrame,
          .position = base_position_ + offset_,
          .timestamp_ns = timestamp_ns};
}

bool LaneReader::TakeStampedFrame(FrameView& frame) {
  if (stamped_mark_ == kNoMark) return false;
  // As in TakeFrame().
  const uint64_t word = HeaderWordAt(segment_, offset_).LoadAcquire();
  const HeaderWordFields fields = DecodeHeaderWord(word);
  if (fields.mark != stamped_mark_ || !Fits(fields.length)) return false;
  // Relaxed: after the acquire of the header word.
  const uint64_t timestamp_ns = TimestampAt(segment_, offset_).LoadRelaxed();
  if (!IsPlausible(timestamp_ns)) return false;
  frame = ViewOf(fields.length, timestamp_ns);
  offset_ += FrameSpan(fields.length);
  ++frames_;
  __builtin_prefetch(segment_ + offset_);
  return true;
}

bool LaneReader::StandsStill() const {
  // I12. Acquire: the header words of all commits that are over. Before the look at the word.
  const bool stamping = lane_page_->stamping.LoadAcquire() != 0;
  const bool at_the_end = joined_ && !finished() && !lapped_ &&
                          HeaderWordAt(segment_, offset_).LoadAcquire() == 0 &&
                          !(lappable_ && !Intact());
  return !stamping && at_the_end;
}

bool LaneReader::Linger() {
  if (frames_ == frames_at_linger_) return false;
  const uint64_t frames = frames_at_linger_ == kNotCaughtUp ? 0 : frames_ - frames_at_linger_;
  frames_at_linger_ = frames_;
  // A reader that may be lapped looks closely each time.
  if (!lappable_) frames_at_catch_up_ = frames_;
  if (stay_nanos_ == 0) {
    if (++catch_ups_ % kCatchUpsPerProbe != 0) return false;
    stay_nanos_ = kShortestStayNanos;
  } else if (frames * 1000 >= kFastStreamingFrames * static_cast<uint64_t>(stay_nanos_)) {
    stay_nanos_ = std::min(2 * stay_nanos_, kLongestStayNanos);
  } else if (stay_nanos_ > kShortestStayNanos) {
    stay_nanos_ /= 2;
  } else if (frames < kStreamingFrames) {
    stay_nanos_ = 0;
    return false;
  }
  const Deadline back = Deadline::After(absl::Nanoseconds(stay_nanos_));
  while (!back.HasPassed()) SpinPause();
  return true;
}

FrameView LaneReader::NothingYet() {
  // A writer may wait for this reader to have read everything. Without a fence this look may come
  // too early, but then the next one does not; and whoever parks looks again after a barrier.
  if (rung_position_ != position() && lane_page_->writer_parked.LoadRelaxed() != 0) {
    RingWaitingWriter();
  }
  return {.state = ReadState::kNothing};
}

bool LaneReader::MayJoin() const {
  if (!IsPublished(lane_page_->page)) return false;
  // Acquire: pairs with the release in LaneWriter::SetRoster().
  if (lane_page_->roster_version.LoadAcquire() >= options_.roster_version) return true;
  // A writer that does not live any more reuses nothing: everything that is left can be read.
  const LaneEnd gone = writer_gone_.load(std::memory_order_acquire);
  return gone == LaneEnd::kWriterDied || gone == LaneEnd::kClosed;
}

absl::Status LaneReader::CheckLanePage() const {
  return ReadPage(lane_page_->page,
                  {.kind = PageKind::kLane,
                   .lane = options_.identity,
                   .offset = lane_page_offset_,
                   .length = kHeaderPageBytes},
                  segments_.file().label())
      .status();
}

absl::Status LaneReader::FollowEnd() {
  // I3. Relaxed: after the acquire of the END.
  const SegmentHeader& header = PageAt<SegmentHeader>(segment_);
  const FileExtent next = {.offset = header.next_offset.LoadRelaxed(),
                           .length = header.next_length.LoadRelaxed()};
  const uint64_t named_at = segment_offset_ + offsetof(SegmentHeader, next_offset);
  // 0 would mean: see the segment. An END names both.
  if (next.length == 0) {
    return FormatError(segments_.file().label(), named_at, "the segment after END has length 0");
  }
  const absl::StatusOr<Place> place = Visit(next, named_at);
  if (!place.ok()) return place.status();
  if (place->base_position != base_position_ + segment_bytes_ ||
      place->generation != generation_ + 1 || place->base_frame != next_frame()) {
    return FormatError(
        segments_.file().label(), next.offset + offsetof(SegmentHeader, base_position),
        absl::StrFormat("the segment after END has base position %u, generation %u, base frame %u "
                        "instead of %u, %u, %u",
                        place->base_position, place->generation, place->base_frame,
                        base_position_ + segment_bytes_, generation_ + 1, next_frame()));
  }
  CAUSEWAY_CRASH_POINT("reader.follow.next_visited");
  MoveTo(*place);
  CAUSEWAY_CRASH_POINT("reader.follow.moved");
  RingWaitingWriter();
  return absl::OkStatus();
}

absl::StatusOr<LaneReader::Place> LaneReader::Visit(FileExtent extent, uint64_t named_at) {
  absl::StatusOr<const ReaderSegments::Segment*> segment = segments_.Get(extent, named_at);
  if (!segment.ok()) return segment.status();
  const SegmentHeader& header = (*segment)->header();
  // Acquire: the words below. Pairs with the release in WriterSegments::TakeFor().
  const uint64_t generation = header.generation.LoadAcquire();
  const Place place = {.segment = *segment,
                       .base_position = header.base_position.LoadRelaxed(),
                       .generation = generation,
                       .base_frame = header.base_frame.LoadRelaxed(),
                       .previous_offset = header.previous_offset.LoadRelaxed()};
  // I10: the words belong to one use. Pairs with the fence in WriterSegments::EndUse().
  std::atomic_thread_fence(std::memory_order_acquire);
  // Again: the two are compared, and nothing but their being equal is believed.
  const uint64_t again = header.generation.LoadRelaxed();
  if (place.base_position > kMaxBasePosition || place.base_frame > kMaxBasePosition ||
      generation == 0 || again != generation) {
    return FormatError(
        segments_.file().label(),
        (*segment)->extent.offset + offsetof(SegmentHeader, base_position),
        absl::StrFormat("no segment has base position %u, base frame %u, generation %u (then %u)",
                        place.base_position, place.base_frame, generation, again));
  }
  return place;
}

void LaneReader::MoveTo(const Place& place) {
  segments_.Stand(place.segment);
  segment_ = place.segment->mapping.data();
  mapping_ = &place.segment->mapping;
  segment_offset_ = place.segment->extent.offset;
  segment_bytes_ = place.segment->extent.length;
  offset_ = kHeaderPageBytes;
  limit_ = segment_bytes_ - kHeaderWordBytes;
  base_position_ = place.base_position;
  generation_ = place.generation;
  data_mark_ = DataMark(generation_);
  passed_over_ = place.base_frame - frames_;
  SetMark();
  Publish();
}

void LaneReader::SetMark() {
  const bool in_line = !lappable_ && position() >= start_position_;
  mark_ = in_line && !options_.timestamps ? data_mark_ : kNoMark;
  stamped_mark_ = in_line && options_.timestamps ? data_mark_ : kNoMark;
}

void LaneReader::StandNowhere(uint64_t position) {
  base_position_ = position;
  segment_ = kNowhere;
  mapping_ = &lane_mapping_;
  mark_ = kNoMark;
  stamped_mark_ = kNoMark;
  offset_ = 0;
  published_ = 0;
  limit_ = 0;
  holding_ = false;
}

void LaneReader::RingQuietWriter() {
  if (lane_page_->writer_quiet.LoadRelaxed() != 0) {
    CAUSEWAY_CRASH_POINT("reader.ring.quiet_writer_found");
    Ring(cursor_->doorbell);
  }
}

void LaneReader::RingWaitingWriter() {
  rung_position_ = position();
  // I7. Pairs with the fence in LaneWriter::Park(): either the writer finds the cursor, or its
  // being parked is found here.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (lane_page_->writer_parked.LoadRelaxed() != 0) {
    CAUSEWAY_CRASH_POINT("reader.ring.parked_writer_found");
    Ring(cursor_->doorbell);
    CAUSEWAY_CRASH_POINT("reader.ring.rung");
  }
}

absl::Status LaneReader::CheckPages() const {
  if (mapping_->damaged()) return mapping_->damage();
  if (lane_mapping_.damaged()) return lane_mapping_.damage();
  if (cursor_mapping_.damaged()) return cursor_mapping_.damage();
  return absl::OkStatus();
}

absl::Status LaneReader::WrongWord(uint64_t word) const {
  const HeaderWordFields fields = DecodeHeaderWord(word);
  return FormatError(
      segments_.file().label(), segment_offset_ + offset_,
      absl::StrFormat("header word %#018x (length %u, mark %#010x) is no frame of generation %u "
                      "(mark %#010x, at most %u bytes, %u bytes left in the segment)",
                      word, fields.length, fields.mark, generation_, data_mark_,
                      options_.max_frame_bytes, limit_ - offset_));
}

absl::Status LaneReader::WrongTimestamp(uint64_t timestamp_ns) const {
  return FormatError(
      segments_.file().label(), segment_offset_ + offset_ + kHeaderWordBytes,
      absl::StrFormat("timestamp %u is not between that of the frame before, %u, and the present "
                      "time, %u ns of CLOCK_MONOTONIC (are writer and reader in different time "
                      "namespaces?)",
                      timestamp_ns, last_timestamp_, latest_plausible_ - kClockSlackNanos));
}

FrameView LaneReader::Fail(absl::Status status) {
  status_ = std::move(status);
  // What may pass is tried again, from the same place.
  if (absl::IsResourceExhausted(status_)) return {.state = ReadState::kDamaged};
  return Finish(ReadState::kDamaged);
}

FrameView LaneReader::Finish(ReadState state) {
  state_ = state;
  CAUSEWAY_CRASH_POINT("reader.finish.begun");
  StandNowhere(position());
  frames_at_catch_up_ = kNotCaughtUp;
  cursor_->position.StoreRelease(kPositionPastAll);
  CAUSEWAY_CRASH_POINT("reader.finish.position_stored");
  RingWaitingWriter();
  return {.state = state};
}

FrameView LaneReader::CutOff(std::string_view why) {
  status_ = absl::OutOfRangeError(
      absl::StrFormat("%s, lane %u: %s", segments_.file().label(), options_.identity.lane_id, why));
  return Finish(ReadState::kOutOfRange);
}

void LaneReader::Close() {
  if (finished()) return;
  Finish(ReadState::kEnded);
}

bool LaneReader::Ready() const {
  if (finished()) return false;
  // Acquire: as TryNext() will find it, or more.
  if (HeaderWordAt(segment_, offset_).LoadAcquire() != 0) return true;
  if (writer_gone_.load(std::memory_order_acquire) != LaneEnd::kNotEnded) return true;
  if (!joined_ && MayJoin()) return true;
  if (lappable_ && joined_ && (lapped_ || !Intact())) return true;
  return mapping_->damaged() || lane_mapping_.damaged() || cursor_mapping_.damaged();
}

void LaneReader::SetWriterGone(LaneEnd cause) {
  LaneEnd expected = LaneEnd::kNotEnded;
  writer_gone_.compare_exchange_strong(expected, cause, std::memory_order_acq_rel);
}

}  // namespace causeway
