// Frames whose every byte a reader can check.

#ifndef CAUSEWAY_AGENTS_TESTING_PATTERN_H_
#define CAUSEWAY_AGENTS_TESTING_PATTERN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace causeway {

// Fills a frame of at least 8 bytes with its number, and what follows from it.
inline void FillPattern(uint64_t number, std::span<std::byte> payload) {
  std::memcpy(payload.data(), &number, sizeof(number));
  for (size_t i = sizeof(number); i < payload.size(); ++i) {
    payload[i] = static_cast<std::byte>(number * 31 + i);
  }
}

// The number of a frame that FillPattern() filled; nothing if any byte of it is wrong.
inline std::optional<uint64_t> CheckPattern(std::span<const std::byte> payload) {
  uint64_t number;
  if (payload.size() < sizeof(number)) return std::nullopt;
  std::memcpy(&number, payload.data(), sizeof(number));
  for (size_t i = sizeof(number); i < payload.size(); ++i) {
    if (payload[i] != static_cast<std::byte>(number * 31 + i)) return std::nullopt;
  }
  return number;
}

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_TESTING_PATTERN_H_
