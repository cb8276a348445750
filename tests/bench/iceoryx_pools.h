// How much memory iceoryx gets: what its daemon reserves, and what its queues may hold.

#ifndef CAUSEWAY_TESTS_BENCH_ICEORYX_POOLS_H_
#define CAUSEWAY_TESTS_BENCH_ICEORYX_POOLS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace causeway::bench {

// Chunks that may wait for a subscriber: 256, the most that iceoryx allows, and fewer of those that
// would take more than 64 MiB.
inline uint64_t IceoryxQueueCapacity(size_t frame_bytes) {
  return std::clamp<uint64_t>((uint64_t{64} << 20) / frame_bytes, 4, 256);
}

// The contents of RouDi's configuration file: a pool for each size of frames, with chunks for the
// queues of six subscribers and what their ends hold.
inline std::string RouDiConfiguration(std::span<const size_t> frame_bytes) {
  constexpr uint64_t kSubscribers = 6;
  constexpr uint64_t kHeldByEnds = 4;
  std::string text = "[general]\nversion = 1\n\n[[segment]]\n";
  size_t before = 0;
  for (const size_t bytes : frame_bytes) {
    // Sizes grow, and are not repeated.
    if (bytes <= before) continue;
    before = bytes;
    const uint64_t subscribers = bytes >= (size_t{16} << 20) ? 2 : kSubscribers;
    const uint64_t chunks = subscribers * (IceoryxQueueCapacity(bytes) + kHeldByEnds);
    text += "\n[[segment.mempool]]\nsize = " + std::to_string(bytes) +
            "\ncount = " + std::to_string(chunks) + "\n";
  }
  return text;
}

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_ICEORYX_POOLS_H_
