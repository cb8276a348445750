// Memory that forked processes share.

#ifndef CAUSEWAY_TESTS_BENCH_SHARED_MEMORY_H_
#define CAUSEWAY_TESTS_BENCH_SHARED_MEMORY_H_

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "mmapcore/errno_status.h"

namespace causeway::bench {

struct Unmap {
  size_t bytes = 0;
  void operator()(std::byte* memory) const { munmap(memory, bytes); }
};
using SharedMemory = std::unique_ptr<std::byte[], Unmap>;

// Zeroed and populated.
inline absl::StatusOr<SharedMemory> AllocateSharedMemory(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) {
    return StatusFromErrno(errno, {.operation = "mmap", .length = bytes});
  }
  return SharedMemory(static_cast<std::byte*>(memory), Unmap{bytes});
}

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_SHARED_MEMORY_H_
