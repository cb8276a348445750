// Frames that say which they are, and whether they are whole.

#ifndef CAUSEWAY_TESTS_FAULTS_CRASH_FRAME_H_
#define CAUSEWAY_TESTS_FAULTS_CRASH_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "mmapcore/crc32c.h"
#include "tests/faults/history_checker.h"

namespace causeway::faults {

// What each frame begins with; the rest follows from it.
struct CrashFrameHeader {
  uint64_t lane_id = 0;
  uint64_t number = 0;
  uint32_t bytes = 0;     // of the whole frame
  uint32_t checksum = 0;  // CRC-32C of everything but itself
};
static_assert(sizeof(CrashFrameHeader) == 24);

inline constexpr size_t kMinCrashFrameBytes = sizeof(CrashFrameHeader);

inline uint32_t ChecksumOf(CrashFrameHeader header, std::span<const std::byte> rest) {
  header.checksum = Crc32c(rest);
  return Crc32c(std::as_bytes(std::span(&header, 1)));
}

// `payload` has at least kMinCrashFrameBytes bytes.
inline void FillCrashFrame(uint64_t lane_id, uint64_t number, std::span<std::byte> payload) {
  const std::span<std::byte> rest = payload.subspan(kMinCrashFrameBytes);
  for (size_t i = 0; i < rest.size(); ++i) {
    rest[i] = static_cast<std::byte>(lane_id * 131 + number * 31 + i);
  }
  CrashFrameHeader header = {lane_id, number, static_cast<uint32_t>(payload.size())};
  header.checksum = ChecksumOf(header, rest);
  std::memcpy(payload.data(), &header, sizeof(header));
}

// What a reader found in lane `lane_id` at `position`.
inline ReadFrame ParseCrashFrame(uint64_t lane_id, uint64_t position,
                                 std::span<const std::byte> payload) {
  ReadFrame frame = {.lane_id = lane_id, .position = position, .bytes = payload.size()};
  CrashFrameHeader header;
  if (payload.size() < sizeof(header)) {
    frame.whole = false;
    return frame;
  }
  std::memcpy(&header, payload.data(), sizeof(header));
  frame.stated_lane_id = header.lane_id;
  frame.stated_bytes = header.bytes;
  frame.number = header.number;
  // A frame of another length than was committed is one that the checker names.
  frame.whole = header.bytes != payload.size() ||
                ChecksumOf(header, payload.subspan(sizeof(header))) == header.checksum;
  return frame;
}

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_CRASH_FRAME_H_
