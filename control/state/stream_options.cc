#include "control/state/stream_options.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/page.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

uint64_t StampBytes(const v1::StreamOptions& options) {
  return options.timestamps() ? kTimestampBytes : 0;
}

// Room beside the two ordinary segments that one frame of the greatest length needs.
uint64_t OwnSegmentBytes(const v1::StreamOptions& options) {
  const uint64_t needed = SegmentBytesOfLargestFrame(options);
  return needed <= options.segment_bytes() ? 0 : needed;
}

// The longest frame for which two segments and its own fit into the capacity.
uint64_t LongestFrame(const v1::StreamOptions& options) {
  const uint64_t segment_bytes = options.segment_bytes();
  const uint64_t capacity_bytes = options.capacity_bytes();
  const uint64_t overhead = SegmentBytesForFrame(StampBytes(options));
  const uint64_t in_segment = segment_bytes - overhead;
  const uint64_t beside = capacity_bytes - 2 * segment_bytes;
  const uint64_t in_own = beside > overhead ? beside - overhead : 0;
  return std::min(std::max(in_segment, in_own), kMaxFrameBytes);
}

absl::Status NotPages(const char* name, uint64_t value) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, ", not a multiple of the page size ", PageSize()));
}

absl::Status CheckRange(const char* name, uint64_t value, uint64_t least, uint64_t most) {
  if (value < least) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, ", less than ", least, ", the smallest possible"));
  }
  if (value > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, ", more than ", most, ", the format's largest"));
  }
  return absl::OkStatus();
}

absl::Status CheckGiven(const v1::StreamOptions& options, const Limits& limits) {
  if (options.durability() != v1::DURABILITY_UNSPECIFIED &&
      options.durability() != v1::DURABILITY_MEMORY &&
      options.durability() != v1::DURABILITY_CACHED) {
    return absl::InvalidArgumentError(
        absl::StrCat("durability ", static_cast<int>(options.durability()),
                     " is unknown to this coordinator; use memory (1) or cached (2)"));
  }
  if (const uint64_t segment = options.segment_bytes(); segment != 0) {
    if (!IsPageAligned(segment)) return NotPages("segment_bytes", segment);
    const absl::Status status =
        CheckRange("segment_bytes", segment, SmallestSegmentBytes(), kMaxSegmentBytes);
    if (!status.ok()) return status;
  }
  if (const uint64_t capacity = options.capacity_bytes(); capacity != 0) {
    if (!IsPageAligned(capacity)) return NotPages("capacity_bytes", capacity);
    if (capacity > limits.max_capacity_bytes_per_lane) {
      return LimitMet("max_capacity_bytes_per_lane", limits.max_capacity_bytes_per_lane,
                      absl::StrCat("capacity_bytes is ", capacity), "ask for a smaller capacity");
    }
    const absl::Status status = CheckRange("capacity_bytes", capacity, 2 * SmallestSegmentBytes(),
                                           limits.max_capacity_bytes_per_lane);
    if (!status.ok()) return status;
  }
  if (const uint64_t frame = options.max_frame_bytes(); frame != 0) {
    const absl::Status status = CheckRange("max_frame_bytes", frame, 1, kMaxFrameBytes);
    if (!status.ok()) return status;
    if (frame > limits.max_frame_bytes) {
      return LimitMet("max_frame_bytes", limits.max_frame_bytes,
                      absl::StrCat("the stream's max_frame_bytes is ", frame),
                      "ask for smaller frames");
    }
  }
  return absl::OkStatus();
}

}  // namespace

uint64_t SmallestSegmentBytes() { return std::max(kMinSegmentBytes, 2 * PageSize()); }

uint64_t SegmentBytesOfLargestFrame(const v1::StreamOptions& options) {
  const uint64_t frame_bytes = std::min<uint64_t>(options.max_frame_bytes(), kMaxFrameBytes);
  return *RoundUpToPage(SegmentBytesForFrame(StampBytes(options) + frame_bytes));
}

absl::StatusOr<v1::StreamOptions> CompleteStreamOptions(const v1::StreamOptions& options,
                                                        const Limits& limits) {
  const absl::Status given = CheckGiven(options, limits);
  if (!given.ok()) return given;
  v1::StreamOptions whole = options;
  if (whole.durability() == v1::DURABILITY_UNSPECIFIED) {
    whole.set_durability(v1::DURABILITY_MEMORY);
  }
  if (whole.segment_bytes() == 0) {
    const bool huge_pages = whole.durability() == v1::DURABILITY_MEMORY;
    uint64_t segment = limits.default_segment_bytes;
    if (huge_pages) segment = std::max(segment, limits.huge_page_bytes);
    if (whole.capacity_bytes() != 0) {
      segment = std::min(segment, RoundDownToPage(whole.capacity_bytes() / 4));
    }
    if (huge_pages && limits.huge_page_bytes != 0 && segment > limits.huge_page_bytes) {
      segment -= segment % limits.huge_page_bytes;
    }
    whole.set_segment_bytes(std::max(segment, SmallestSegmentBytes()));
  }
  const uint64_t segment = whole.segment_bytes();
  if (whole.capacity_bytes() == 0) {
    // Room for a few segments, and for the largest frame that was asked for.
    const uint64_t wanted = std::max(
        {limits.default_capacity_bytes, 4 * segment, 2 * segment + OwnSegmentBytes(whole)});
    whole.set_capacity_bytes(std::min(wanted, RoundDownToPage(limits.max_capacity_bytes_per_lane)));
  }
  const uint64_t capacity = whole.capacity_bytes();
  if (capacity / 2 < segment) {
    return absl::InvalidArgumentError(
        absl::StrCat("capacity_bytes ", capacity, " does not hold two segments of segment_bytes ",
                     segment, "; a writer needs the next one before this one is full"));
  }
  if (whole.max_frame_bytes() == 0) {
    whole.set_max_frame_bytes(
        std::min({limits.default_max_frame_bytes, limits.max_frame_bytes, LongestFrame(whole)}));
  }
  const uint64_t own = OwnSegmentBytes(whole);
  if (own > capacity - 2 * segment) {
    return absl::InvalidArgumentError(absl::StrCat(
        "capacity_bytes ", capacity, " holds two segments of ", segment, " bytes but not also the ",
        own, " bytes that a frame of max_frame_bytes ", whole.max_frame_bytes(),
        " needs; the longest possible frame is ", LongestFrame(whole)));
  }
  return whole;
}

bool AgreesWith(const v1::StreamOptions& asked, const v1::StreamOptions& in_force) {
  const auto agrees = [](uint64_t a, uint64_t b) { return a == 0 || a == b; };
  return agrees(asked.durability(), in_force.durability()) &&
         agrees(asked.segment_bytes(), in_force.segment_bytes()) &&
         agrees(asked.capacity_bytes(), in_force.capacity_bytes()) &&
         agrees(asked.max_frame_bytes(), in_force.max_frame_bytes()) &&
         agrees(asked.timestamps(), in_force.timestamps());
}

}  // namespace causeway
