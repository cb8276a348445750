// What a coordinator and its directories hold, from the outside: to be compared with what they held
// before.

#ifndef CAUSEWAY_TESTS_FAULTS_CRASH_BOOKS_H_
#define CAUSEWAY_TESTS_FAULTS_CRASH_BOOKS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace causeway::faults {

struct CrashBooks {
  // As the coordinator lists them.
  uint64_t agents = 0;
  uint64_t files = 0;
  uint64_t extents = 0;
  uint64_t lanes = 0;
  uint64_t cursors = 0;
  uint64_t granted_bytes = 0;
  // As the file system does.
  uint64_t files_on_disk = 0;
  uint64_t files_in_memory = 0;
  uint64_t bytes_in_memory = 0;  // allocated, on tmpfs
  // As the kernel does, of the coordinator.
  uint64_t descriptors = 0;
  uint64_t threads = 0;
};

// Asks the coordinator `pid` of `dir`. Unavailable: it does not answer.
absl::StatusOr<CrashBooks> ReadCrashBooks(const std::string& dir, const std::string& volatile_dir,
                                          const std::string& stream, pid_t pid);

// Whether nothing is there that was not there at `baseline`.
bool NothingLeft(const CrashBooks& now, const CrashBooks& baseline);

// One line.
std::string ToText(const CrashBooks& books);

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_CRASH_BOOKS_H_
