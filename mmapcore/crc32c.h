// CRC-32C (Castagnoli, polynomial 0x1EDC6F41, reflected), as in RFC 3720 section 12.1.

#ifndef CAUSEWAY_MMAPCORE_CRC32C_H_
#define CAUSEWAY_MMAPCORE_CRC32C_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace causeway {

// The checksum of `bytes`. Portable and table-driven, about 0.4 GB/s: for headers, which are short
// and rare.
constexpr uint32_t Crc32c(std::span<const std::byte> bytes) {
  constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0x82F63B78u : 0);
      table[i] = value;
    }
    return table;
  }();
  uint32_t crc = ~uint32_t{0};
  for (const std::byte byte : bytes) {
    crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint32_t>(byte)) & 0xFF];
  }
  return ~crc;
}

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_CRC32C_H_
