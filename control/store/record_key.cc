#include "control/store/record_key.h"

#include <cstddef>

namespace causeway {
namespace {

constexpr size_t kIdBytes = sizeof(uint64_t);

void AppendBigEndian(std::string& key, uint64_t id) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(id >> shift));
}

}  // namespace

std::string RecordKey(uint64_t id) {
  std::string key;
  AppendBigEndian(key, id);
  return key;
}

std::string RecordKey(uint64_t first, uint64_t second) {
  std::string key;
  key.reserve(2 * kIdBytes);
  AppendBigEndian(key, first);
  AppendBigEndian(key, second);
  return key;
}

std::optional<uint64_t> ParseRecordKey(std::string_view key) {
  if (key.size() != kIdBytes) return std::nullopt;
  uint64_t id = 0;
  for (const char byte : key) id = id << 8 | static_cast<uint8_t>(byte);
  return id;
}

std::optional<std::pair<uint64_t, uint64_t>> ParseRecordPairKey(std::string_view key) {
  if (key.size() != 2 * kIdBytes) return std::nullopt;
  return std::pair(*ParseRecordKey(key.substr(0, kIdBytes)), *ParseRecordKey(key.substr(kIdBytes)));
}

}  // namespace causeway
