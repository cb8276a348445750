// Page arithmetic. The kernel maps whole pages, callers ask for bytes: everything that converts
// between the two does it here, and nothing here can wrap silently.

#ifndef CAUSEWAY_MMAPCORE_PAGE_H_
#define CAUSEWAY_MMAPCORE_PAGE_H_

#include <unistd.h>

#include <cstdint>
#include <optional>

namespace causeway {

// The machine's page size in bytes, a power of two. Asked of the kernel once.
inline uint64_t PageSize() {
  static const uint64_t size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// a + b, or nothing when the sum does not fit into 64 bits.
constexpr std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  if (a > UINT64_MAX - b) return std::nullopt;
  return a + b;
}

// True if `bytes` is a multiple of the page size; zero is one.
inline bool IsPageAligned(uint64_t bytes) { return (bytes & (PageSize() - 1)) == 0; }

// The largest multiple of the page size that is not above `bytes`.
inline uint64_t RoundDownToPage(uint64_t bytes) { return bytes & ~(PageSize() - 1); }

// The smallest multiple of the page size that is not below `bytes`, or nothing when that multiple
// does not fit into 64 bits.
inline std::optional<uint64_t> RoundUpToPage(uint64_t bytes) {
  const std::optional<uint64_t> above = CheckedAdd(bytes, PageSize() - 1);
  if (!above.has_value()) return std::nullopt;
  return RoundDownToPage(*above);
}

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_PAGE_H_
