#include "mmapcore/writer_segments.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/deadline.h"
#include "mmapcore/mapped_segment.h"
#include "mmapcore/page.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/segment_supply.h"

namespace causeway {
namespace {

// Segments taken from the supply in one roll.
constexpr int kMaxAdoptions = 16;

// Free segments of one length that take turns, however many more there are. The one used last is
// still in the cache of the reader that has just left it, where each line has to be taken away
// from; a few segments later it is in the cache that both share; many segments later it is in
// memory.
constexpr int kUsedInTurn = 4;

// Segments given back in the time for which a free one is kept.
constexpr int64_t kShedInKeepIdle = 64;

// A lane that fills its segments faster than this is not helped by asking ahead: a grant takes some
// 300 us. So many rolls in a row must have been slower, since each may have lost its processor.
constexpr int64_t kSlowRollNanos = 500'000;
constexpr int kSlowRolls = 8;

uint64_t SegmentBytesNeeded(uint64_t frame_bytes) {
  // Fits: frames are at most kMaxFrameBytes long.
  return std::max(*RoundUpToPage(SegmentBytesForFrame(frame_bytes)), kMinSegmentBytes);
}

}  // namespace

absl::Status WriterSegments::AdoptInto(FreeList& list, MappedSegment&& mapped) {
  const FileExtent extent = mapped.extent;
  if (absl::Status status = CheckSegmentExtent(extent.offset, extent.length, label_, extent.offset);
      !status.ok()) {
    return absl::InvalidArgumentError(status.message());
  }
  if (mapped.mapping.mutable_data() == nullptr || mapped.mapping.offset() != extent.offset ||
      mapped.mapping.length() != extent.length) {
    return absl::InvalidArgumentError(absl::StrCat(label_, ": the segment at offset ",
                                                   extent.offset, ", length ", extent.length,
                                                   " is not mapped for writing"));
  }
  CAUSEWAY_CRASH_POINT("writer.adopt.segment_mapped");
  auto segment = std::make_unique<Segment>(Segment{std::move(mapped)});
  segment->idle_since_nanos = Deadline::NowNanos();
  PublishPage(
      {.kind = PageKind::kSegment, .lane = lane_, .offset = extent.offset, .length = extent.length},
      segment->header().page);
  CAUSEWAY_CRASH_POINT("writer.adopt.segment_published");
  held_bytes_ += extent.length;
  free_bytes_ += extent.length;
  list.push_back(std::move(segment));
  return absl::OkStatus();
}

uint64_t WriterSegments::AdoptReady(bool aside) {
  uint64_t refused = 0;
  if (!aside) {
    std::move(aside_.begin(), aside_.end(), std::back_inserter(free_));
    aside_.clear();
  }
  for (int i = 0; i < kMaxAdoptions; ++i) {
    std::optional<MappedSegment> segment = supply_->TakeReady();
    if (!segment.has_value()) break;
    if (AdoptInto(aside ? aside_ : free_, *std::move(segment)).ok()) continue;
    supply_->Return(*std::move(segment));
    ++refused;
  }
  return refused;
}

size_t WriterSegments::CountLeft(uint64_t position) const {
  size_t count = 0;
  while (count + 1 < retained_.size() && retained_[count]->end_position() <= position) ++count;
  return count;
}

void WriterSegments::Free(size_t count) {
  const int64_t now = Deadline::NowNanos();
  for (size_t i = 0; i < count; ++i) {
    retained_.front()->idle_since_nanos = now;
    free_bytes_ += retained_.front()->extent.length;
    free_.push_back(std::move(retained_.front()));
    retained_.pop_front();
  }
}

WriterSegments::Segment* WriterSegments::TakeFor(uint64_t length, uint64_t base_frame) {
  const uint64_t needed = SegmentBytesNeeded(length);
  constexpr size_t kNone = ~size_t{0};
  size_t best = kNone;
  int in_turn = 0;  // of the best one's length, from the one used last to the best one
  for (size_t i = free_.size(); i-- > 0;) {
    const uint64_t bytes = free_[i]->extent.length;
    if (bytes < needed) continue;
    if (best == kNone || bytes < free_[best]->extent.length) {
      in_turn = 0;
    } else if (bytes > free_[best]->extent.length || in_turn == kUsedInTurn) {
      continue;
    }
    best = i;
    ++in_turn;
  }
  if (best == kNone) return nullptr;
  std::unique_ptr<Segment> segment = std::move(free_[best]);
  free_.erase(free_.begin() + static_cast<ptrdiff_t>(best));
  free_bytes_ -= segment->extent.length;

  EndUse(*segment);
  CAUSEWAY_CRASH_POINT("writer.recycle.use_ended");
  segment->used_before = segment->generation != 0;
  segment->base_position = next_position_;
  segment->generation = ++generation_;
  next_position_ += segment->extent.length;
  SegmentHeader& header = segment->header();
  header.base_position.StoreRelaxed(segment->base_position);
  CAUSEWAY_CRASH_POINT("writer.recycle.base_position_stored");
  header.base_frame.StoreRelaxed(base_frame);
  header.previous_offset.StoreRelaxed(retained_.empty() ? 0 : current().extent.offset);
  header.next_offset.StoreRelaxed(0);
  header.next_length.StoreRelaxed(0);
  CAUSEWAY_CRASH_POINT("writer.recycle.header_stored");
  HeaderWordAt(segment->mapping.mutable_data(), kHeaderPageBytes).StoreRelaxed(0);
  CAUSEWAY_CRASH_POINT("writer.recycle.first_word_zeroed");
  // Pairs with the acquire in LaneReader::Visit(): who finds this generation finds the words above,
  // whichever way it came.
  header.generation.StoreRelease(segment->generation);
  CAUSEWAY_CRASH_POINT("writer.recycle.generation_stored");
  retained_.push_back(std::move(segment));
  return retained_.back().get();
}

void WriterSegments::EndUse(Segment& segment) {
  // I10.
  segment.header().generation.StoreRelaxed(0);
  // Whoever loads anything that is stored to the segment after this fence, and then executes an
  // acquire fence, finds the generation changed. Pairs with the fence in LaneReader::Intact().
  std::atomic_thread_fence(std::memory_order_release);
}

uint64_t WriterSegments::BytesToRequest(uint64_t length) const {
  return std::max(SegmentBytesNeeded(length), segment_bytes_);
}

bool WriterSegments::CurrentIsInTheWay(uint64_t length) const {
  return retained_.back()->extent.length + BytesToRequest(length) > capacity_bytes_;
}

WriterSegments::Segment* WriterSegments::TakePassage(uint64_t length, uint64_t base_frame) {
  const uint64_t longest = capacity_bytes_ - BytesToRequest(length);
  const bool is_free = std::any_of(free_.begin(), free_.end(), [&](const auto& segment) {
    return segment->extent.length <= longest;
  });
  // The smallest one.
  if (is_free) return TakeFor(0, base_frame);
  RequestFor(0);
  return nullptr;
}

bool WriterSegments::FreeingHelps(uint64_t length, size_t count) const {
  const uint64_t needed = SegmentBytesNeeded(length);
  for (size_t i = 0; i < count; ++i) {
    if (retained_[i]->extent.length >= needed) return true;
  }
  // What is free and too small can be given back for a new one.
  return count > 0 && held_bytes_ - free_bytes_ + needed > capacity_bytes_;
}

bool WriterSegments::RequestFor(uint64_t length) {
  const uint64_t needed = BytesToRequest(length);
  // Free segments are of no use here: they are too small, or larger than an ordinary frame should
  // begin.
  while (held_bytes_ + needed > capacity_bytes_ && !free_.empty()) GiveBack(free_.begin());
  if (held_bytes_ + needed > capacity_bytes_) return false;
  supply_->RequestAhead(needed);
  return true;
}

bool WriterSegments::ReadersHold(uint64_t length) const {
  const uint64_t needed = SegmentBytesNeeded(length);
  return std::any_of(retained_.begin(), retained_.end() - 1,
                     [&](const auto& segment) { return segment->extent.length >= needed; });
}

void WriterSegments::GrowForNextTime(uint64_t length) {
  if (!IsBeyondGoal(length)) return;
  if (SegmentBytesNeeded(length) > segment_bytes_ && !last_was_large_) return;
  const uint64_t most = held_bytes_ < eager_bytes_ ? eager_bytes_ : capacity_bytes_;
  goal_bytes_ = std::max(goal_bytes_, std::min(2 * held_bytes_, most));
}

void WriterSegments::RequestTowardsGoal(uint64_t length) {
  if (!IsBeyondGoal(length)) supply_->RequestAhead(BytesToRequest(length));
}

bool WriterSegments::FillsSlowly() {
  const int64_t now = Deadline::NowNanos();
  slow_rolls_ = now - last_roll_nanos_ < kSlowRollNanos ? 0 : std::min(slow_rolls_ + 1, kSlowRolls);
  last_roll_nanos_ = now;
  return slow_rolls_ == kSlowRolls;
}

void WriterSegments::RequestAhead(uint64_t length, bool readers_wait) {
  const uint64_t needed = SegmentBytesNeeded(length);
  const bool is_large = needed > segment_bytes_;
  const bool more_large = std::exchange(last_was_large_, is_large) && is_large;
  const auto free =
      static_cast<size_t>(std::count_if(free_.begin(), free_.end(), [&](const auto& segment) {
        return more_large ? segment->extent.length >= needed
                          : segment->extent.length <= segment_bytes_;
      }));
  const uint64_t wanted = more_large ? length : 0;
  const bool slow = FillsSlowly();
  if (IsBeyondGoal(wanted)) {
    if (free >= Reserve()) return;
    if (IsBeyondEager(wanted) && readers_wait && !slow) return;
  }
  if (free == 0 && !more_large) {
    RequestFor(0);
    return;
  }
  // Nothing is given back for what need not come.
  const uint64_t bytes = BytesToRequest(wanted);
  if (held_bytes_ + bytes <= capacity_bytes_) supply_->RequestAhead(bytes);
}

void WriterSegments::ShedIdle() {
  if (free_.size() <= Reserve()) return;
  const int64_t now = Deadline::NowNanos();
  if (now < no_shedding_before_nanos_) return;
  const int64_t idle_before = now - keep_idle_nanos_;
  const auto idle = std::find_if(free_.begin(), free_.end(), [&](const auto& segment) {
    return segment->idle_since_nanos <= idle_before &&
           (held_bytes_ > eager_bytes_ || segment->extent.length > segment_bytes_);
  });
  if (idle == free_.end()) return;
  GiveBack(idle);
  no_shedding_before_nanos_ = now + keep_idle_nanos_ / kShedInKeepIdle;
  goal_bytes_ = 0;
}

void WriterSegments::GiveBack(FreeList::iterator segment) {
  // Its bytes will be freed: zeros appear in place of frames.
  EndUse(**segment);
  CAUSEWAY_CRASH_POINT("writer.give_back.use_ended");
  MappedSegment given = std::move(**segment);
  free_.erase(segment);
  held_bytes_ -= given.extent.length;
  free_bytes_ -= given.extent.length;
  supply_->Return(std::move(given));
  CAUSEWAY_CRASH_POINT("writer.give_back.done");
}

}  // namespace causeway
