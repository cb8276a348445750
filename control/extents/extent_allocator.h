// Which ranges of one file's address space are taken.
//
// Pure bookkeeping, without I/O. The free ranges and the live extents partition
// [0, capacity) at every moment:
//
//   1. every boundary is a multiple of the granule;
//   2. no two live extents overlap, and no two free ranges overlap or touch;
//   3. what is not live is free.
//
// Placement is best fit: the shortest free range that can hold the extent, and the lowest offset
// among equally short ones. In the file of a lane nearly every extent has the one length of the
// stream's segments, so a freed segment is refilled exactly, large ranges stay whole for large
// frames, and the live extents stay near the start of the file, whose end can be truncated.

#ifndef CAUSEWAY_CONTROL_EXTENTS_EXTENT_ALLOCATOR_H_
#define CAUSEWAY_CONTROL_EXTENTS_EXTENT_ALLOCATOR_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace causeway {

// A summary of an allocator, all but the counts in bytes.
struct ExtentStats {
  uint64_t capacity = 0;
  uint64_t live_bytes = 0;
  uint64_t free_bytes = 0;      // capacity - live_bytes
  uint64_t largest_free = 0;    // the longest extent that Allocate() would grant
  uint64_t live_extents = 0;    // a count
  uint64_t free_ranges = 0;     // a count
  uint64_t high_water_end = 0;  // the end of the last live extent: the file may be cut to this
};

// Not thread-safe: the coordinator's state machine is its only user. A call that fails changes
// nothing. All offsets and lengths are in bytes. n stands for the number of live extents.
class ExtentAllocator {
 public:
  // The largest capacity. Files end at 2^63 - 1; the rest is room for sums that do not wrap.
  static constexpr uint64_t kMaxCapacity = uint64_t{1} << 62;

  // An allocator of [0, capacity), all of it free. `capacity` may be 0: Grow() comes later.
  //
  // InvalidArgument: `granule`, in general the page size, is no power of two, or `capacity` no
  // multiple of it. OutOfRange: `capacity` is more than kMaxCapacity.
  static absl::StatusOr<ExtentAllocator> Create(uint64_t capacity, uint64_t granule);

  // Takes `length` bytes, wherever they fit best, and returns the offset, a multiple of
  // `alignment`. `alignment` is a power of two not below the granule; 0 means the granule.
  //
  // InvalidArgument: `length` is zero or no multiple of the granule, or `alignment` is not as said.
  // ResourceExhausted: no free range can hold it; the message has the needed, free and largest
  // contiguous bytes and the capacity.
  //
  // O(log n) for the alignment of the granule. A larger one also passes over those free ranges
  // whose length is at least `length` and less than `length + alignment`, but whose place does not
  // fit.
  absl::StatusOr<uint64_t> Allocate(uint64_t length, uint64_t alignment = 0);

  // Takes exactly [offset, offset + length): to rebuild the books after a restart.
  //
  // InvalidArgument: the range is empty, not made of whole granules, or overlaps a live extent,
  // which the message names. OutOfRange: it ends beyond the capacity or beyond 2^64. O(log n).
  absl::Status Reserve(uint64_t offset, uint64_t length);

  // Gives back a live extent, whole, and joins it with the free ranges beside it.
  //
  // InvalidArgument: [offset, offset + length) is not exactly one live extent (freed before, a part
  // of one, or several); the message names the one that it touches. OutOfRange: it ends beyond the
  // capacity or beyond 2^64. O(log n).
  absl::Status Free(uint64_t offset, uint64_t length);

  // Raises the capacity to `capacity`; the same one is no error.
  //
  // InvalidArgument: less than the present capacity, or no multiple of the granule. OutOfRange:
  // more than kMaxCapacity. O(log n).
  absl::Status Grow(uint64_t capacity);

  // O(1).
  ExtentStats Stats() const;

 private:
  using RangeMap = absl::btree_map<uint64_t, uint64_t>;  // offset -> length

  explicit ExtentAllocator(uint64_t granule) : granule_(granule) {}

  bool IsWholeGranules(uint64_t bytes) const { return (bytes & (granule_ - 1)) == 0; }

  // Checks what every range must be: not empty, whole granules, within the capacity.
  absl::Status CheckRange(uint64_t offset, uint64_t length) const;

  // " the live extent [a, b)": the first that reaches into the range, or " no live extent".
  std::string LiveExtentAt(uint64_t offset, uint64_t length) const;

  // Adds a range that is not in free_, joined with its neighbours.
  void AddFree(uint64_t offset, uint64_t length);
  // Makes [offset, offset + length), which lies within the free range `range`, a live extent.
  void Take(RangeMap::iterator range, uint64_t offset, uint64_t length);

  uint64_t granule_;
  uint64_t capacity_ = 0;
  uint64_t live_bytes_ = 0;
  RangeMap live_;
  RangeMap free_;
  absl::btree_set<std::pair<uint64_t, uint64_t>> free_by_length_;  // (length, offset) of free_
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_EXTENTS_EXTENT_ALLOCATOR_H_
