// Rules on ranges of a file that mapping and allocation share. Internal to mmapcore.

#ifndef CAUSEWAY_MMAPCORE_FILE_RANGE_H_
#define CAUSEWAY_MMAPCORE_FILE_RANGE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace causeway {

// The beginning of a refusal: "mmap refused for /data/a (offset 0, length 1)". Offsets above 2^63
// are shown as the negative numbers that they most likely were, too.
std::string RefusedRange(absl::string_view operation, absl::string_view label, uint64_t offset,
                         uint64_t length);

// What holds for a range of any file: it has bytes, begins on a page boundary, and ends, in whole
// pages, below 2^63, beyond which the kernel has no file offsets. InvalidArgument otherwise.
absl::Status CheckRange(absl::string_view operation, absl::string_view label, uint64_t offset,
                        uint64_t length);

// CheckRange(), and the length is a multiple of the page size.
absl::Status CheckExtent(absl::string_view operation, absl::string_view label, uint64_t offset,
                         uint64_t length);

// Whether the process's limit RLIMIT_FSIZE lets a file grow to `size` bytes. The kernel would
// answer with SIGXFSZ, whose default is death. ResourceExhausted otherwise.
absl::Status CheckFileSizeLimit(absl::string_view operation, absl::string_view label,
                                uint64_t size);

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_FILE_RANGE_H_
