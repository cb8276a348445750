// Record keys made of numbers. Big-endian, so that keys sort as their numbers do.

#ifndef CAUSEWAY_CONTROL_STORE_RECORD_KEY_H_
#define CAUSEWAY_CONTROL_STORE_RECORD_KEY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace causeway {

// The 8-byte key of `id`, and the 16-byte key of the pair (first, second), which sorts by `first`
// and then by `second`.
std::string RecordKey(uint64_t id);
std::string RecordKey(uint64_t first, uint64_t second);

// The inverses. Nothing if `key` is not exactly 8 or 16 bytes long.
std::optional<uint64_t> ParseRecordKey(std::string_view key);
std::optional<std::pair<uint64_t, uint64_t>> ParseRecordPairKey(std::string_view key);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STORE_RECORD_KEY_H_
