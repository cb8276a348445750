// Where the I/O layer finds a file, and which bytes of it an operation is about.

#ifndef CAUSEWAY_CONTROL_STATE_PLACE_H_
#define CAUSEWAY_CONTROL_STATE_PLACE_H_

#include <cstdint>
#include <string>

#include "control/api/v1/types.pb.h"

namespace causeway {

// A range of one of the coordinator's files, to be backed with memory or freed.
struct FileRange {
  uint64_t file_id = 0;
  std::string name;  // In the directory that `durability` says.
  v1::Durability durability = v1::DURABILITY_UNSPECIFIED;
  bool create = false;  // The file does not exist yet: create it, fail if it exists.
  uint64_t offset = 0;  // Bytes, whole pages.
  uint64_t length = 0;

  friend bool operator==(const FileRange&, const FileRange&) = default;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_PLACE_H_
