#include "control/state/segment_layout.h"

#include "mmapcore/page.h"

namespace causeway {
namespace {

// 0: none in such files.
uint64_t HugePageBytes(const Limits& limits, v1::Durability durability) {
  return durability == v1::DURABILITY_MEMORY ? limits.huge_page_bytes : 0;
}

}  // namespace

uint64_t SegmentAlignment(const Limits& limits, v1::Durability durability, uint64_t length) {
  const uint64_t huge = HugePageBytes(limits, durability);
  return huge != 0 && length % huge == 0 ? huge : PageSize();
}

uint64_t FullSegmentBytes(const Limits& limits, v1::Durability durability, uint64_t length) {
  const uint64_t huge = HugePageBytes(limits, durability);
  if (huge == 0 || length < huge) return length;
  return (length + huge - 1) / huge * huge;
}

}  // namespace causeway
