// The segments of one lane in its writer's hands: which hold frames that readers may still want,
// which are free, and when one passes from the first to the second.

#ifndef CAUSEWAY_MMAPCORE_WRITER_SEGMENTS_H_
#define CAUSEWAY_MMAPCORE_WRITER_SEGMENTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/segment_supply.h"

namespace causeway {

// Single-threaded; everything here happens at rolls.
class WriterSegments {
 public:
  struct Segment {
    FileExtent extent;
    Mapping mapping;
    uint64_t base_position = 0;  // of its present or last use
    uint64_t generation = 0;     // likewise; 0: never used
    uint64_t idle_since = 0;     // generation of the lane when it became free

    SegmentHeader& header() { return *reinterpret_cast<SegmentHeader*>(mapping.mutable_data()); }
    uint64_t end_position() const { return base_position + extent.length; }
  };

  WriterSegments(MappedFile file, const LaneIdentity& lane, uint64_t segment_bytes,
                 uint64_t capacity_bytes, SegmentSupply* supply)
      : file_(std::move(file)),
        lane_(lane),
        segment_bytes_(segment_bytes),
        capacity_bytes_(capacity_bytes),
        supply_(supply) {}

  // Maps a segment, publishes its header and makes it free.
  absl::Status Adopt(FileExtent extent);

  // Adopts what the supply has ready. The error, if any, is of a segment that was given back.
  absl::Status AdoptReady();

  // A segment that every reader has left may be taken; `position` is the lowest of the cursors.
  // The number of leading retained segments, never the current one, that end at or before it.
  size_t CountLeft(uint64_t position) const;

  // The segment that would be the oldest one if `count` leading segments were free.
  const Segment& OldestWithout(size_t count) const { return *retained_[count]; }

  // Frees `count` leading segments.
  void Free(size_t count);

  // Takes a free segment that can hold a frame of `length` bytes and makes it the current one, with
  // base position and generation stored in its header and its first word zero: the one used last if
  // an ordinary one will do, else the smallest that is large enough. Null: there is none.
  Segment* TakeFor(uint64_t length);

  // Asks the supply for what a frame of `length` bytes needs, or, if nothing is free, for the
  // segment after the current one.
  void RequestFor(uint64_t length);
  void RequestAhead();

  // Gives back segments that have not been needed for a long time.
  void ShedIdle();

  Segment& current() { return *retained_.back(); }
  uint64_t held_bytes() const { return held_bytes_; }
  const MappedFile& file() const { return file_; }

 private:
  MappedFile file_;
  LaneIdentity lane_;
  uint64_t segment_bytes_;
  uint64_t capacity_bytes_;
  SegmentSupply* supply_;
  std::deque<std::unique_ptr<Segment>> retained_;  // in the lane's order; the last is the current
  std::vector<std::unique_ptr<Segment>> free_;     // the last was used last
  uint64_t held_bytes_ = 0;
  uint64_t generation_ = 0;     // uses so far
  uint64_t next_position_ = 0;  // base of the next use
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_WRITER_SEGMENTS_H_
