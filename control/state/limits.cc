#include "control/state/limits.h"

#include "absl/strings/str_cat.h"
#include "mmapcore/page.h"
#include "mmapcore/segment_format.h"

namespace causeway {

std::map<std::string, uint64_t> LimitsByName(const Limits& limits) {
  return {
      {"max_agents", limits.max_agents},
      {"max_streams", limits.max_streams},
      {"max_lanes_per_stream", limits.max_lanes_per_stream},
      {"max_readers_per_stream", limits.max_readers_per_stream},
      {"max_lanes_per_agent", limits.max_lanes_per_agent},
      {"max_readers_per_agent", limits.max_readers_per_agent},
      {"max_writable_bytes_per_agent", limits.max_writable_bytes_per_agent},
      {"max_capacity_bytes_per_lane", limits.max_capacity_bytes_per_lane},
      {"max_frame_bytes", limits.max_frame_bytes},
      {"max_splits_per_agent", limits.max_splits_per_agent},
      {"max_brought_files_per_agent", limits.max_brought_files_per_agent},
      {"max_extents_per_split", limits.max_extents_per_split},
      {"default_segment_bytes", limits.default_segment_bytes},
      {"default_capacity_bytes", limits.default_capacity_bytes},
      {"default_max_frame_bytes", limits.default_max_frame_bytes},
      {"default_split_extent_bytes", limits.default_split_extent_bytes},
  };
}

absl::Status ValidateLimits(const Limits& limits) {
  for (const auto& [name, value] : LimitsByName(limits)) {
    if (value == 0) return absl::InvalidArgumentError(absl::StrCat(name, " must not be 0"));
  }
  const auto pages = [](const char* name, uint64_t value) {
    if (IsPageAligned(value)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, ", not a multiple of the page size ", PageSize()));
  };
  const auto at_most = [](const char* name, uint64_t value, const char* bound, uint64_t most) {
    if (value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, ", more than ", bound, " ", most));
  };
  for (const absl::Status& status : {
           pages("default_segment_bytes", limits.default_segment_bytes),
           pages("default_capacity_bytes", limits.default_capacity_bytes),
           pages("default_split_extent_bytes", limits.default_split_extent_bytes),
           at_most("max_frame_bytes", limits.max_frame_bytes, "the format's limit", kMaxFrameBytes),
           at_most("max_capacity_bytes_per_lane", limits.max_capacity_bytes_per_lane,
                   "what one file may hold", uint64_t{1} << 40),
           at_most("default_segment_bytes", limits.default_segment_bytes, "the format's limit",
                   kMaxSegmentBytes),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status LimitMet(std::string_view limit, uint64_t value, std::string_view holders,
                      std::string_view advice) {
  return absl::ResourceExhaustedError(absl::StrCat(
      absl::string_view(limit.data(), limit.size()), " (", value,
      ") is met: ", absl::string_view(holders.data(), holders.size()), "; ",
      absl::string_view(advice.data(), advice.size()), ", or raise the coordinator's limit"));
}

}  // namespace causeway
