// How a stream is laid out and limited, as a client asks for it and as it is in force.

#ifndef CAUSEWAY_AGENTS_STREAM_OPTIONS_H_
#define CAUSEWAY_AGENTS_STREAM_OPTIONS_H_

#include <cstdint>

namespace causeway {

// Where a stream's bytes live, and what survives.
enum class Durability {
  kDefault,  // the coordinator's choice
  kMemory,   // volatile directory (tmpfs): nothing survives a reboot
  kCached,   // data directory: the kernel writes back when it likes
};

// Placement and limits of a stream, fixed when it is created. Zero means: the coordinator's
// default. What a writer or reader reports as in force has no zeros.
struct StreamOptions {
  Durability durability = Durability::kDefault;
  uint64_t segment_bytes = 0;    // ordinary segment; a multiple of the page size
  uint64_t capacity_bytes = 0;   // all segments of one lane (one writer) together
  uint64_t max_frame_bytes = 0;  // largest payload of one frame
  // Each frame carries the time at which it was committed, so that readers can merge lanes. Costs
  // the writer a look at the clock for each commit, some 25 ns, and each frame 8 bytes.
  bool timestamps = false;
};

// Why a lane ended; the graver, the larger.
enum class EndCause {
  kClosed,   // its writer closed it or detached
  kEvicted,  // an operator, or a limit, took it away
  kDied,     // the kernel proved its writer's death
};

// "closed", "evicted", "died".
constexpr const char* EndCauseName(EndCause cause) {
  switch (cause) {
    case EndCause::kClosed:
      return "closed";
    case EndCause::kEvicted:
      return "evicted";
    case EndCause::kDied:
      return "died";
  }
  return "unknown";
}

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_STREAM_OPTIONS_H_
