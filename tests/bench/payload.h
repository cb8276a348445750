// What a producer writes into a frame and a consumer reads out of it: the same work for everybody.

#ifndef CAUSEWAY_TESTS_BENCH_PAYLOAD_H_
#define CAUSEWAY_TESTS_BENCH_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace causeway::bench {

// Frames are made of words of this size; every frame is a multiple of it.
inline constexpr size_t kWordBytes = 8;

// The first word of frame `index`; each further word is one more. No two frames begin alike.
inline uint64_t FirstWord(uint64_t index) { return (index + 1) * 0x9e3779b97f4a7c15; }

// Writes every byte of the frame.
inline void FillPayload(std::byte* data, size_t bytes, uint64_t index) {
  const uint64_t first = FirstWord(index);
  for (size_t i = 0; i < bytes / kWordBytes; ++i) {
    const uint64_t word = first + i;
    std::memcpy(data + i * kWordBytes, &word, kWordBytes);
  }
}

// Reads every byte of the frame.
inline uint64_t SumPayload(const std::byte* data, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes / kWordBytes; ++i) {
    uint64_t word;
    std::memcpy(&word, data + i * kWordBytes, kWordBytes);
    sum += word;
  }
  return sum;
}

// The sum that frame `index` must have.
inline uint64_t PayloadSum(size_t bytes, uint64_t index) {
  const uint64_t words = bytes / kWordBytes;
  return words * FirstWord(index) + words * (words - 1) / 2;
}

// Frames are weighted by their place, so that a lost, a repeated, a changed and a misplaced frame
// show alike. Where several producers' frames mix, their places are not known, and all weigh 1.
inline uint64_t FrameWeight(uint64_t place, bool ordered) { return ordered ? 2 * place + 1 : 1; }

// What a consumer of frames 0 to `frames - 1` must arrive at.
inline uint64_t ExpectedChecksum(size_t bytes, uint64_t frames, bool ordered) {
  uint64_t total = 0;
  for (uint64_t i = 0; i < frames; ++i) total += FrameWeight(i, ordered) * PayloadSum(bytes, i);
  return total;
}

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_PAYLOAD_H_
