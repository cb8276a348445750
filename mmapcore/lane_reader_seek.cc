// Where a LaneReader goes other than from one frame to the next: where it begins, to the latest
// frame, and on from where it was lapped.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

// How often a reader that is not waited for looks for a segment that stays for as long as the look
// takes.
constexpr int kMaxLooks = 16;

}  // namespace

absl::StatusOr<LaneReader::Place> LaneReader::FindOldest() {
  absl::StatusOr<Place> place;
  uint64_t oldest = 0;
  for (int looks = 0; looks < kMaxLooks; ++looks) {
    // Acquire: the segment's header; pairs with the releases in LaneWriter::Create() and
    // FreeSegments().
    oldest = lane_page_->oldest_offset.LoadAcquire();
    place = Visit({.offset = oldest}, lane_page_offset_ + offsetof(LanePage, oldest_offset));
    if (place.ok() || absl::IsResourceExhausted(place.status()) || !lappable_) return place;
  }
  // Again: whether it has changed is all that is asked; the value is not used.
  if (lane_page_->oldest_offset.LoadAcquire() != oldest) {
    return absl::UnavailableError("the oldest segment changes faster than it can be looked at");
  }
  return place;
}

absl::StatusOr<LaneReader::Place> LaneReader::VisitNewest() {
  // Acquire: the segment's header; pairs with the releases in LaneWriter::Create() and Roll().
  return Visit({.offset = lane_page_->newest_offset.LoadAcquire()},
               lane_page_offset_ + offsetof(LanePage, newest_offset));
}

std::optional<FrameView> LaneReader::Join() {
  if (absl::Status status = CheckLanePage(); !status.ok()) return Fail(std::move(status));
  // I5. After roster_version.
  const absl::StatusOr<Place> oldest = FindOldest();
  if (absl::IsUnavailable(oldest.status())) return FrameView{.state = ReadState::kNotJoined};
  if (!oldest.ok()) return Fail(oldest.status());

  CAUSEWAY_CRASH_POINT("reader.join.oldest_found");
  if (start_position_ < oldest->base_position) {
    const uint64_t wanted = std::exchange(start_position_, 0);
    joined_ = true;
    MoveTo(*oldest);
    if (options_.start.at == LaneStart::At::kPosition && oldest->base_frame > 0) {
      if (options_.policy != ReaderPolicy::kDrop) {
        return CutOff(absl::StrFormat(
            "position %u is not retained any more; the oldest frame that is has position %u",
            wanted, position()));
      }
      return Miss(wanted, wanted <= kHeaderPageBytes ? oldest->base_frame : LaneGap::kUnknown);
    }
    // To a reader that holds, what was freed before it was obeyed was not promised.
    if (!start_frame_.has_value() || oldest->base_frame < *start_frame_) return std::nullopt;
    return Miss(wanted, oldest->base_frame - *start_frame_);
  }
  joined_ = true;
  if (start_position_ >= oldest->base_position + oldest->segment->extent.length) {
    // Mostly it lies in the newest segment: the way there need not lead through all the others.
    segments_.Stand(oldest->segment);
    const absl::StatusOr<Place> newest = VisitNewest();
    if (newest.ok() && newest->generation > oldest->generation &&
        newest->base_position <= start_position_) {
      MoveTo(*newest);
      return std::nullopt;
    }
  }
  MoveTo(*oldest);
  return std::nullopt;
}

LaneReader::Tail LaneReader::FindTail(const Place& place, uint64_t offset) const {
  Tail tail = {.last = offset, .end = offset};
  while (const uint64_t next = EndOfFrame(place, tail.end)) {
    tail.last = tail.end;
    tail.end = next;
    ++tail.frames;
  }
  return tail;
}

uint64_t LaneReader::EndOfFrame(const Place& place, uint64_t offset) const {
  // Acquire: the word behind a committed one is zero or committed (I1).
  const HeaderWordFields fields =
      DecodeHeaderWord(HeaderWordAt(place.segment->mapping.data(), offset).LoadAcquire());
  const uint64_t next = offset + FrameSpan(fields.length);
  const bool is_frame = fields.mark == DataMark(place.generation) &&
                        next <= place.segment->extent.length - kHeaderWordBytes;
  return is_frame ? next : 0;
}

void LaneReader::ChooseStart() {
  if (options_.start.at == LaneStart::At::kPosition) {
    start_position_ = options_.start.position;
    return;
  }
  std::optional<uint64_t> frame;
  if (!IsPublished(lane_page_->page)) {
    // All of its frames are still to come.
    start_position_ = kHeaderPageBytes;
    frame = 0;
  } else if (options_.start.at == LaneStart::At::kLatest) {
    frame = FindHead();
  } else if (const absl::StatusOr<Place> oldest = FindOldest(); oldest.ok()) {
    start_position_ = oldest->base_position + kHeaderPageBytes;
    frame = oldest->base_frame;
  }
  if (lappable_) start_frame_ = frame;
}

std::optional<uint64_t> LaneReader::FindHead() {
  for (int looks = 0; looks < kMaxLooks; ++looks) {
    const absl::StatusOr<Place> newest = VisitNewest();
    if (!newest.ok()) continue;
    const Tail tail = FindTail(*newest, kHeaderPageBytes);
    // Nothing is held here yet, whatever the policy. As in Intact().
    std::atomic_thread_fence(std::memory_order_acquire);
    if (newest->segment->header().generation.LoadRelaxed() == newest->generation) {
      start_position_ = newest->base_position + tail.end;
      return newest->base_frame + tail.frames;
    }
  }
  return std::nullopt;
}

FrameView LaneReader::TryLatest(uint64_t& skipped) {
  skipped = 0;
  if (const std::optional<FrameView> told = Prepare()) return *told;
  if (lappable_ && !Intact()) {
    if (const std::optional<FrameView> told = Recover(absl::OkStatus())) return *told;
  }
  if (position() >= start_position_) {
    const uint64_t before = passed_over_;
    SkipToLatest();
    skipped = passed_over_ - before;
  }
  return ReadOn();
}

bool LaneReader::LiesAhead(const Place& place) const {
  return place.generation > generation_ && place.base_position >= base_position_ + segment_bytes_ &&
         place.base_frame >= next_frame();
}

void LaneReader::SkipToLatest() {
  if (lane_page_->newest_offset.LoadAcquire() != segment_offset_) {
    absl::StatusOr<Place> place = VisitNewest();
    // Whatever is wrong is found, and told, on the ordinary way.
    if (!place.ok() || !LiesAhead(*place)) return;
    bool here = false;
    // Between a roll and the first commit, and where a writer passed through an empty segment: the
    // latest frame is in a segment before.
    for (int looks = 0; !here && EndOfFrame(*place, kHeaderPageBytes) == 0; ++looks) {
      const uint64_t generation = place->generation - 1;
      here = generation == generation_;
      if (here) break;
      if (looks == kMaxLooks) return;
      place = Visit({.offset = place->previous_offset},
                    place->segment->extent.offset + offsetof(SegmentHeader, previous_offset));
      if (!place.ok() || place->generation != generation || !LiesAhead(*place)) return;
    }
    if (!here) {
      MoveTo(*place);
      RingWaitingWriter();
    }
  }
  const Tail tail = FindTail({.segment = segments_.standing(), .generation = generation_}, offset_);
  if (tail.frames < 2 || (lappable_ && !Intact())) return;
  offset_ = tail.last;
  passed_over_ += tail.frames - 1;
}

bool LaneReader::ReleaseLappable() {
  if (std::exchange(holding_, false) && !Intact()) {
    whole_ = false;
    lapped_ = true;
    // Not seen: the gap begins with it.
    offset_ = held_offset_;
    --frames_;
  }
  if (!lapped_ && offset_ != published_) Publish();
  return whole_;
}

std::optional<FrameView> LaneReader::Recover(absl::Status why) {
  // The file's other pages.
  if (lane_mapping_.damaged()) return Fail(lane_mapping_.damage());
  if (cursor_mapping_.damaged()) return Fail(cursor_mapping_.damage());
  if (absl::IsResourceExhausted(why)) return Fail(std::move(why));
  const uint64_t begin = position();
  const uint64_t next = next_frame();
  lapped_ = true;
  StandNowhere(begin);
  CAUSEWAY_CRASH_POINT("reader.lapped.found");
  const absl::StatusOr<Place> oldest = FindOldest();
  if (absl::IsUnavailable(oldest.status())) return FrameView{.state = ReadState::kNothing};
  if (!oldest.ok()) return Fail(oldest.status());
  if (oldest->generation <= generation_ || oldest->base_position < begin ||
      oldest->base_frame < next) {
    if (!why.ok()) return Fail(std::move(why));
    return Fail(FormatError(
        segments_.file().label(), segment_offset_ + offsetof(SegmentHeader, generation),
        absl::StrFormat("generation %u has been overwritten, but the oldest segment has generation "
                        "%u, base position %u, base frame %u; this reader is at %u, frame %u",
                        generation_, oldest->generation, oldest->base_position, oldest->base_frame,
                        begin, next)));
  }
  lapped_ = false;
  MoveTo(*oldest);
  CAUSEWAY_CRASH_POINT("reader.lapped.moved");
  if (begin >= start_position_) return Miss(begin, oldest->base_frame - next);
  // On its way to where it begins: what lies before is not missed.
  if (position() <= start_position_) return std::nullopt;
  const bool known = start_frame_.has_value() && oldest->base_frame >= *start_frame_;
  return Miss(start_position_, known ? oldest->base_frame - *start_frame_ : LaneGap::kUnknown);
}

std::optional<FrameView> LaneReader::Miss(uint64_t begin, uint64_t frames) {
  if (frames == 0) return std::nullopt;
  if (options_.policy == ReaderPolicy::kEvict) {
    return CutOff(absl::StrFormat(
        "evicted: fell behind at position %u, and the writer went on without waiting; the oldest "
        "frame that is left has position %u. Read faster, give the stream more capacity_bytes, or "
        "open the reader with policy drop or block",
        begin, position()));
  }
  gap_ = {.begin = begin, .end = position(), .frames = frames};
  ++gaps_;
  return FrameView{.state = ReadState::kGap, .position = begin};
}

}  // namespace causeway
