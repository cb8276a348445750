#include "control/extents/extent_allocator.h"

#include <bit>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace causeway {
namespace {

std::string RangeText(uint64_t offset, uint64_t length) {
  return absl::StrCat("offset ", offset, ", length ", length);
}

}  // namespace

absl::StatusOr<ExtentAllocator> ExtentAllocator::Create(uint64_t capacity, uint64_t granule) {
  if (!std::has_single_bit(granule)) {
    return absl::InvalidArgumentError(absl::StrCat("the granule is no power of two: ", granule));
  }
  ExtentAllocator allocator(granule);
  if (absl::Status status = allocator.Grow(capacity); !status.ok()) return status;
  return allocator;
}

absl::StatusOr<uint64_t> ExtentAllocator::Allocate(uint64_t length, uint64_t alignment) {
  if (length == 0 || !IsWholeGranules(length)) {
    return absl::InvalidArgumentError(absl::StrCat("the length must be a positive multiple of ",
                                                   granule_, " bytes, but is ", length));
  }
  if (alignment == 0) alignment = granule_;
  if (!std::has_single_bit(alignment) || alignment < granule_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the alignment must be a power of two and at least ", granule_, ", but is ", alignment));
  }
  for (auto fit = free_by_length_.lower_bound({length, 0}); fit != free_by_length_.end(); ++fit) {
    const auto [range_length, range_offset] = *fit;
    // Neither sum wraps: offsets are below 2^62, alignments at most 2^63.
    const uint64_t offset = (range_offset + alignment - 1) & ~(alignment - 1);
    const uint64_t skipped = offset - range_offset;
    if (skipped > range_length - length) continue;
    Take(free_.find(range_offset), offset, length);
    return offset;
  }
  const ExtentStats stats = Stats();
  return absl::ResourceExhaustedError(absl::StrCat(
      "no room for ", length, " contiguous bytes aligned to ", alignment, ": of the capacity of ",
      capacity_, " bytes, ", stats.free_bytes, " are free, at most ", stats.largest_free,
      " in one piece, and ", stats.live_extents, " extents hold ", live_bytes_,
      "; release extents or raise the capacity"));
}

absl::Status ExtentAllocator::Reserve(uint64_t offset, uint64_t length) {
  if (absl::Status status = CheckRange(offset, length); !status.ok()) return status;
  auto after = free_.upper_bound(offset);
  if (after != free_.begin()) {
    const auto range = std::prev(after);
    if (offset + length <= range->first + range->second) {
      Take(range, offset, length);
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("cannot reserve (", RangeText(offset, length),
                                                 "): it overlaps ", LiveExtentAt(offset, length)));
}

absl::Status ExtentAllocator::Free(uint64_t offset, uint64_t length) {
  if (absl::Status status = CheckRange(offset, length); !status.ok()) return status;
  const auto extent = live_.find(offset);
  if (extent == live_.end() || extent->second != length) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot free (", RangeText(offset, length),
        "): it is not one whole live extent; it touches ", LiveExtentAt(offset, length)));
  }
  live_.erase(extent);
  live_bytes_ -= length;
  AddFree(offset, length);
  return absl::OkStatus();
}

absl::Status ExtentAllocator::Grow(uint64_t capacity) {
  if (capacity < capacity_ || !IsWholeGranules(capacity)) {
    return absl::InvalidArgumentError(absl::StrCat("the capacity must be a multiple of ", granule_,
                                                   " bytes and at least the present ", capacity_,
                                                   ", but is ", capacity));
  }
  if (capacity > kMaxCapacity) {
    return absl::OutOfRangeError(
        absl::StrCat("the capacity must be at most ", kMaxCapacity, " bytes, but is ", capacity));
  }
  if (capacity > capacity_) AddFree(capacity_, capacity - capacity_);
  capacity_ = capacity;
  return absl::OkStatus();
}

ExtentStats ExtentAllocator::Stats() const {
  return {
      .capacity = capacity_,
      .live_bytes = live_bytes_,
      .free_bytes = capacity_ - live_bytes_,
      .largest_free = free_by_length_.empty() ? 0 : free_by_length_.rbegin()->first,
      .live_extents = live_.size(),
      .free_ranges = free_.size(),
      .high_water_end = live_.empty() ? 0 : live_.rbegin()->first + live_.rbegin()->second,
  };
}

absl::Status ExtentAllocator::CheckRange(uint64_t offset, uint64_t length) const {
  if (length == 0 || !IsWholeGranules(length) || !IsWholeGranules(offset)) {
    return absl::InvalidArgumentError(absl::StrCat("a range must be made of multiples of ",
                                                   granule_, " bytes and not be empty, but is (",
                                                   RangeText(offset, length), ")"));
  }
  if (offset > capacity_ || length > capacity_ - offset) {
    return absl::OutOfRangeError(absl::StrCat("the range (", RangeText(offset, length),
                                              ") ends beyond the capacity of ", capacity_,
                                              " bytes"));
  }
  return absl::OkStatus();
}

std::string ExtentAllocator::LiveExtentAt(uint64_t offset, uint64_t length) const {
  auto extent = live_.upper_bound(offset);
  if (extent != live_.begin()) {
    const auto before = std::prev(extent);
    if (before->first + before->second > offset) extent = before;
  }
  if (extent == live_.end() || extent->first >= offset + length) return "no live extent";
  return absl::StrCat("the live extent (", RangeText(extent->first, extent->second), ")");
}

void ExtentAllocator::AddFree(uint64_t offset, uint64_t length) {
  auto after = free_.upper_bound(offset);
  if (after != free_.end() && after->first == offset + length) {
    length += after->second;
    free_by_length_.erase({after->second, after->first});
    after = free_.erase(after);
  }
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      free_by_length_.erase({before->second, before->first});
      before->second += length;
      free_by_length_.emplace(before->second, before->first);
      return;
    }
  }
  free_.emplace_hint(after, offset, length);
  free_by_length_.emplace(length, offset);
}

void ExtentAllocator::Take(RangeMap::iterator range, uint64_t offset, uint64_t length) {
  const auto [range_offset, range_length] = *range;
  const uint64_t end = offset + length;
  const uint64_t range_end = range_offset + range_length;
  free_by_length_.erase({range_length, range_offset});
  if (range_offset < offset) {
    range->second = offset - range_offset;
    free_by_length_.emplace(range->second, range_offset);
  } else {
    free_.erase(range);
  }
  if (end < range_end) {
    free_.emplace(end, range_end - end);
    free_by_length_.emplace(range_end - end, end);
  }
  live_.emplace(offset, length);
  live_bytes_ += length;
}

}  // namespace causeway
