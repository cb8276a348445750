#include "control/state/segment_layout.h"

#include "gtest/gtest.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

constexpr uint64_t kHuge = uint64_t{2} << 20;

TEST(SegmentLayout, IsOfPagesWhereThereAreNoHugeOnes) {
  EXPECT_EQ(SegmentAlignment(Limits(), v1::DURABILITY_MEMORY, 2 * kHuge), PageSize());
  EXPECT_EQ(FullSegmentBytes(Limits(), v1::DURABILITY_MEMORY, kHuge + 1), kHuge + 1);
}

TEST(SegmentLayout, IsOfHugePagesInMemoryAlone) {
  Limits limits;
  limits.huge_page_bytes = kHuge;
  EXPECT_EQ(SegmentAlignment(limits, v1::DURABILITY_MEMORY, 2 * kHuge), kHuge);
  EXPECT_EQ(SegmentAlignment(limits, v1::DURABILITY_MEMORY, 2 * kHuge + PageSize()), PageSize());
  EXPECT_EQ(SegmentAlignment(limits, v1::DURABILITY_CACHED, 2 * kHuge), PageSize());
  EXPECT_EQ(FullSegmentBytes(limits, v1::DURABILITY_MEMORY, kHuge + PageSize()), 2 * kHuge);
  EXPECT_EQ(FullSegmentBytes(limits, v1::DURABILITY_MEMORY, kHuge), kHuge);
  EXPECT_EQ(FullSegmentBytes(limits, v1::DURABILITY_MEMORY, kHuge - 1), kHuge - 1);
  EXPECT_EQ(FullSegmentBytes(limits, v1::DURABILITY_CACHED, kHuge + 1), kHuge + 1);
}

}  // namespace
}  // namespace causeway
