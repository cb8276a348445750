#ifndef CAUSEWAY_MMAPCORE_PROTECTION_H_
#define CAUSEWAY_MMAPCORE_PROTECTION_H_

#include <sys/mman.h>

namespace causeway {

// What may be done with bytes: the rights of an open descriptor and the protection of a mapping.
// There is no "write only": a page that can be stored to can be loaded from.
enum class Protection {
  kRead,
  kReadWrite,
};

// The PROT_ bits that mmap() takes.
constexpr int ProtectionBits(Protection protection) {
  return protection == Protection::kReadWrite ? PROT_READ | PROT_WRITE : PROT_READ;
}

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_PROTECTION_H_
