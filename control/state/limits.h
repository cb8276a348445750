// Every limit that the coordinator enforces, with defaults that suit a laptop.

#ifndef CAUSEWAY_CONTROL_STATE_LIMITS_H_
#define CAUSEWAY_CONTROL_STATE_LIMITS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace causeway {

// A limit that is met fails the operation with RESOURCE_EXHAUSTED, which names the limit by the
// name of its field here. Lowering a limit below what is in use takes nothing away.
struct Limits {
  // Sessions, fenced ones that still live included.
  uint64_t max_agents = 256;
  uint64_t max_streams = 1024;
  // Lanes that exist: those that ended count until their readers have released them.
  uint64_t max_lanes_per_stream = 64;
  uint64_t max_readers_per_stream = 64;
  uint64_t max_lanes_per_agent = 64;
  uint64_t max_readers_per_agent = 64;
  // Bytes of lanes and cursor files that an agent may write, ended lanes included until they are
  // gone. Files that users bring do not count.
  uint64_t max_writable_bytes_per_agent = uint64_t{4} << 30;
  // Largest StreamOptions.capacity_bytes.
  uint64_t max_capacity_bytes_per_lane = uint64_t{2} << 30;
  // Largest StreamOptions.max_frame_bytes; the format's own limit is 1 GiB.
  uint64_t max_frame_bytes = uint64_t{1} << 30;
  uint64_t max_splits_per_agent = 16;
  uint64_t max_brought_files_per_agent = 64;
  uint64_t max_extents_per_split = 65536;

  // What a zero in StreamOptions means, where the other options leave room for it.
  uint64_t default_segment_bytes = uint64_t{1} << 20;
  uint64_t default_capacity_bytes = uint64_t{256} << 20;
  uint64_t default_max_frame_bytes = uint64_t{64} << 20;
  // What OpenSplit.extent_bytes 0 means, unless that makes too many extents.
  uint64_t default_split_extent_bytes = uint64_t{64} << 20;

  // No limit, but a fact about the file system that all the others are used with: bytes of a huge
  // page where segments in memory are to be made of such, a power of two; 0: they are not.
  uint64_t huge_page_bytes = 0;
};

// INVALID_ARGUMENT: a limit is zero, or a default is above its limit or not made of whole pages.
absl::Status ValidateLimits(const Limits& limits);

// Each limit by the name of its field.
std::map<std::string, uint64_t> LimitsByName(const Limits& limits);

// The RESOURCE_EXHAUSTED that says which limit was met, its value, who holds what it counts, and
// what to do. `holders` and `advice` are sentences without their full stop.
absl::Status LimitMet(std::string_view limit, uint64_t value, std::string_view holders,
                      std::string_view advice);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_LIMITS_H_
