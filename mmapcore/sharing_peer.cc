// The other process of sharing_test: obeys commands, one a line, and answers each with a line.
//
//   map PATH OFFSET LENGTH read|write|private    "ok", or the error
//   store AT NUMBER                              stores 8 bytes at byte AT of the mapping; "ok"
//   load AT                                      the number there

#include <atomic>
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>

#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/protection.h"

namespace causeway {
namespace {

absl::StatusOr<Mapping> MapFile(const std::string& path, uint64_t offset, uint64_t length,
                                const std::string& how) {
  const bool writes_file = how == "write";
  absl::StatusOr<MappedFile> file =
      MappedFile::Open(path, writes_file ? Protection::kReadWrite : Protection::kRead);
  if (!file.ok()) return file.status();
  MappingOptions options;
  if (how != "read") options.protection = Protection::kReadWrite;
  if (how == "private") options.sharing = Sharing::kPrivate;
  return Mapping::Map(*file, offset, length, options);
}

std::atomic_ref<uint64_t> WordAt(const Mapping& mapping, uint64_t at) {
  return std::atomic_ref<uint64_t>(
      *reinterpret_cast<uint64_t*>(const_cast<std::byte*>(mapping.data()) + at));
}

std::string Obey(const std::string& line, Mapping& mapping) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command == "map") {
    std::string path, how;
    uint64_t offset = 0, length = 0;
    words >> path >> offset >> length >> how;
    absl::StatusOr<Mapping> mapped = MapFile(path, offset, length, how);
    if (!mapped.ok()) return mapped.status().ToString();
    mapping = *std::move(mapped);
    return "ok";
  }
  uint64_t at = 0, number = 0;
  words >> at >> number;
  if (at + sizeof(uint64_t) > mapping.length()) return "outside of the mapping";
  if (command == "store") {
    WordAt(mapping, at).store(number, std::memory_order_release);
    return "ok";
  }
  return std::to_string(WordAt(mapping, at).load(std::memory_order_acquire));
}

}  // namespace
}  // namespace causeway

int main() {
  causeway::Mapping mapping;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << causeway::Obey(line, mapping) << std::endl;
  }
}
