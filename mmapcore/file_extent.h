// A range of a mapped file.

#ifndef CAUSEWAY_MMAPCORE_FILE_EXTENT_H_
#define CAUSEWAY_MMAPCORE_FILE_EXTENT_H_

#include <cstdint>

namespace causeway {

// A page-aligned range of a mapped file.
struct FileExtent {
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes

  friend bool operator==(const FileExtent&, const FileExtent&) = default;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_FILE_EXTENT_H_
