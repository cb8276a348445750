// Where a lane's writer gets its segments from, and where it leaves them.

#ifndef CAUSEWAY_MMAPCORE_SEGMENT_SUPPLY_H_
#define CAUSEWAY_MMAPCORE_SEGMENT_SUPPLY_H_

#include <cstdint>
#include <optional>

#include "mmapcore/mapped_segment.h"

namespace causeway {

// Asked by a LaneWriter, on the writer's thread and only when it rolls, or while it waits for room.
// No function may block: whoever implements it talks to the coordinator, maps and unmaps on another
// thread, and raises the writer's attention() when something has arrived. So the writer's thread
// neither waits for a call nor faults pages in, however the lane grows and shrinks. A supply that
// can give nothing, since the coordinator is away, is not an error: the writer goes on with the
// segments that it has.
class SegmentSupply {
 public:
  virtual ~SegmentSupply() = default;

  // Takes a segment that has arrived: an extent of the lane's file, allocated, in nobody else's
  // use, and mapped as MapSegmentForWriting() does. Nothing: none has.
  virtual std::optional<MappedSegment> TakeReady() = 0;

  // The writer will want one more segment of `bytes` bytes (a multiple of the page size). Said
  // again at every roll, and every look while it waits, for as long as the need lasts: an
  // implementation has at most one request under way and ignores what repeats it. What arrives late
  // is used all the same.
  virtual void RequestAhead(uint64_t bytes) = 0;

  // The writer does not need this segment any more, and no reader that obeys the protocol looks at
  // it. To be unmapped before anybody else hears of it.
  virtual void Return(MappedSegment segment) = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_SEGMENT_SUPPLY_H_
