// What a writer does about a reader that lags.

#ifndef CAUSEWAY_MMAPCORE_READER_POLICY_H_
#define CAUSEWAY_MMAPCORE_READER_POLICY_H_

#include <cstdint>

namespace causeway {

// Chosen by each reader for itself. Under kDrop and kEvict the reader costs others nothing, however
// slow it is, and even if it is stopped: its cursor is a wish. A writer that needs a segment and
// has none that every reader has left *laps* such readers: it uses the oldest segment again that
// holding readers have left. Until then the lane grows, up to its capacity, as under kBlock.
enum class ReaderPolicy : uint8_t {
  kBlock,  // holds every segment that it has not read: the writer waits, up to its deadline
  kDrop,   // may be lapped: is told of a gap with range and count, and goes on behind it
  kEvict,  // may be lapped, and that is its end
};

// Whether the writer keeps segments for such a reader whatever happens.
constexpr bool Holds(ReaderPolicy policy) { return policy == ReaderPolicy::kBlock; }

// "block", "drop", "evict".
constexpr const char* ReaderPolicyName(ReaderPolicy policy) {
  switch (policy) {
    case ReaderPolicy::kBlock:
      return "block";
    case ReaderPolicy::kDrop:
      return "drop";
    case ReaderPolicy::kEvict:
      return "evict";
  }
  return "unknown";
}

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_READER_POLICY_H_
