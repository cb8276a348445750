// The segments of one lane in its writer's hands: which hold frames that readers may still want,
// which are free, and when one passes from the first to the second.

#ifndef CAUSEWAY_MMAPCORE_WRITER_SEGMENTS_H_
#define CAUSEWAY_MMAPCORE_WRITER_SEGMENTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mmapcore/mapped_segment.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/segment_supply.h"

namespace causeway {

// Single-threaded; everything here happens at rolls.
class WriterSegments {
 public:
  struct Segment : MappedSegment {
    uint64_t base_position = 0;    // of its present or last use
    uint64_t generation = 0;       // likewise; 0: never used
    bool used_before = false;      // before its present use
    int64_t idle_since_nanos = 0;  // of CLOCK_MONOTONIC, when it became free

    SegmentHeader& header() { return PageAt<SegmentHeader>(mapping.mutable_data()); }
    uint64_t end_position() const { return base_position + extent.length; }
  };

  // As those of LaneWriterOptions.
  struct Limits {
    uint64_t segment_bytes = 0;
    uint64_t capacity_bytes = 0;
    uint64_t eager_bytes = 0;
    absl::Duration keep_idle;
  };

  // `label` names the lane's file in messages.
  WriterSegments(std::string label, const LaneIdentity& lane, const Limits& limits,
                 SegmentSupply* supply)
      : label_(std::move(label)),
        lane_(lane),
        segment_bytes_(limits.segment_bytes),
        capacity_bytes_(limits.capacity_bytes),
        eager_bytes_(limits.eager_bytes),
        keep_idle_nanos_(absl::ToInt64Nanoseconds(limits.keep_idle)),
        supply_(supply) {}

  // Publishes the segment's header and makes it free.
  //
  // InvalidArgument: no segment can be there, or the mapping is of something else; `mapped` keeps
  // what it was.
  absl::Status Adopt(MappedSegment&& mapped) { return AdoptInto(free_, std::move(mapped)); }

  // Adopts what the supply has ready. Returns how many made no sense, and were given back. With
  // `aside`, what came now and since the last call without it is not among the free segments.
  uint64_t AdoptReady(bool aside);

  // The number of leading retained segments, never the current one, that end at or before
  // `position`: with the lowest of some cursors, the ones that all of those readers have left.
  size_t CountLeft(uint64_t position) const;

  // The segment that would be the oldest one if `count` leading segments were free.
  const Segment& OldestWithout(size_t count) const { return *retained_[count]; }

  // Frees `count` leading segments.
  void Free(size_t count);

  // Takes a free segment that can hold a frame of `length` bytes and makes it the current one, with
  // its header's words stored and its first word zero: the smallest that will do and, of the few
  // of those that were used last, the one used first; they take turns, the others rest.
  // `base_frame`: data frames in the lane so far. Null: there is none.
  Segment* TakeFor(uint64_t length, uint64_t base_frame);

  // Whether a segment for a frame of `length` bytes exceeds the capacity together with the current
  // one, so that no room comes of what readers leave as long as this stays the current one.
  bool CurrentIsInTheWay(uint64_t length) const;

  // As TakeFor(), but for no frame: a segment beside which the capacity has room for one of
  // `length` bytes. Null: there is none; one has been asked for.
  Segment* TakePassage(uint64_t length, uint64_t base_frame);

  // Whether a frame of `length` bytes, for which TakeFor() has none, would come nearer to a segment
  // if some of the `count` leading retained segments were free: either one of them will do, or the
  // capacity is used up.
  bool FreeingHelps(uint64_t length, size_t count) const;

  // Asks the supply for a segment that can hold a frame of `length` bytes, for which TakeFor() has
  // none. If it would exceed the capacity, free segments are given back to make room; if that is
  // not enough, readers must leave some first, and the result is false.
  bool RequestFor(uint64_t length);

  // Whether readers hold a segment for a frame of `length` bytes, so that one may come of waiting
  // for them.
  bool ReadersHold(uint64_t length) const;

  // Whether the lane, with one more segment for a frame of `length` bytes, would have more than it
  // may have eagerly; and more than it is to have anyway.
  bool IsBeyondEager(uint64_t length) const {
    return held_bytes_ + BytesToRequest(length) > eager_bytes_;
  }
  bool IsBeyondGoal(uint64_t length) const {
    return held_bytes_ + BytesToRequest(length) > goal_bytes_;
  }

  // A claim of `length` bytes waits for a segment although the lane may grow. From now on the lane
  // is to have twice what it has (below `eager_bytes`: at most those), unless it is still to get
  // more anyway, so that readers that lag as much again, or up to twice as much, cost no wait: each
  // wait makes the next one rarer, and the capacity bounds how many there can be. A single frame
  // that is too large for an ordinary segment tells nothing of readers that lag.
  void GrowForNextTime(uint64_t length);

  // Asks for a segment for a frame of `length` bytes if the lane has less than GrowForNextTime()
  // wants.
  void RequestTowardsGoal(uint64_t length);

  // Asks for a segment if fewer are free than Reserve() says, or the lane has less than
  // GrowForNextTime() wants. `length`: of the frame that the current one was taken for. One frame
  // that is too large for an ordinary segment does not announce another, but two in a row do: then
  // the next one is to find its segment, too. If `readers_wait`, a claim may wait for every reader:
  // then a lane whose segments are filled sooner than a new one could come does not grow beyond
  // `eager_bytes` ahead of need.
  void RequestAhead(uint64_t length, bool readers_wait);

  // Gives back a segment that has been free for `keep_idle`, beyond the reserve and beyond
  // `eager_bytes` of ordinary ones; the lane is then not to grow for any earlier wait. One after
  // the other, over some time: a grant that is needed meanwhile does not stand in a queue behind
  // hundreds that go back.
  void ShedIdle();

  Segment& current() { return *retained_.back(); }
  uint64_t oldest_position() const { return retained_.front()->base_position; }
  uint64_t held_bytes() const { return held_bytes_; }

 private:
  using FreeList = std::vector<std::unique_ptr<Segment>>;

  absl::Status AdoptInto(FreeList& list, MappedSegment&& mapped);
  // Of a segment that is asked for.
  uint64_t BytesToRequest(uint64_t length) const;
  // Segments that should be free: one, and more where readers lag, since the next one is then
  // needed sooner than a grant takes.
  size_t Reserve() const { return 1 + retained_.size() / 4; }
  // Notes when a segment has been filled, and tells whether that takes longer than a grant.
  bool FillsSlowly();
  void GiveBack(FreeList::iterator segment);
  // Tells readers that were lapped in it, before any other byte of it changes (I10).
  static void EndUse(Segment& segment);

  std::string label_;
  LaneIdentity lane_;
  uint64_t segment_bytes_;
  uint64_t capacity_bytes_;
  uint64_t eager_bytes_;
  int64_t keep_idle_nanos_;
  int64_t no_shedding_before_nanos_ = 0;
  SegmentSupply* supply_;
  std::deque<std::unique_ptr<Segment>> retained_;  // in the lane's order; the last is the current
  FreeList free_;                                  // the last was used last
  FreeList aside_;                                 // free as well, but not to be taken yet
  uint64_t held_bytes_ = 0;
  uint64_t free_bytes_ = 0;      // of held_bytes_, those aside included
  uint64_t goal_bytes_ = 0;      // that held_bytes_ is to become, within the capacity
  int64_t last_roll_nanos_ = 0;  // of CLOCK_MONOTONIC, when RequestAhead() was last called
  int slow_rolls_ = 0;           // in a row
  bool last_was_large_ = false;  // the frame that RequestAhead() was last called for
  uint64_t generation_ = 0;      // uses so far
  uint64_t next_position_ = 0;   // base of the next use
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_WRITER_SEGMENTS_H_
