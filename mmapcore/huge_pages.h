// Whether a file system in memory offers huge pages: fewer faults, shorter page tables.

#ifndef CAUSEWAY_MMAPCORE_HUGE_PAGES_H_
#define CAUSEWAY_MMAPCORE_HUGE_PAGES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace causeway {

// What tmpfs does for a file's range that is a whole huge page, aligned in the file.
enum class HugePageOffer {
  kNone,      // small pages: no tmpfs, mounted without huge=, or a kernel without huge pages
  kOnAdvice,  // huge=advise: to a mapping that was given Advice::kHugePages
  kUnasked,   // huge=always or within_size: to everybody, and to small files as well
};

// What is offered for files in `directory`, which exists. Read from the directory's file system,
// the mount's options (/proc/self/mountinfo), and the kernel's own setting, which may overrule them
// (/sys/kernel/mm/transparent_hugepage/shmem_enabled: deny, force). Blocks on /proc and /sys.
//
// hugetlbfs is another thing, which MappedFile refuses: kNone.
//
// NotFound, PermissionDenied and others: the directory cannot be examined. What /proc or /sys do
// not say is kNone.
absl::StatusOr<HugePageOffer> HugePagesIn(const std::string& directory);

// Bytes of a huge page that one entry of a page table maps; 0: the kernel has none. Does not change
// while the machine runs.
uint64_t HugePageBytes();

// "none", "on advice", "unasked".
const char* HugePageOfferName(HugePageOffer offer);

namespace huge_pages_internal {

// The same from the texts, for tests: the mount with this device number ("0:55"), and the kernel's
// setting as it shows it ("always within_size advise [never] deny force").
HugePageOffer OfferOf(const std::string& mountinfo, const std::string& device,
                      const std::string& shmem_enabled);

}  // namespace huge_pages_internal
}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_HUGE_PAGES_H_
