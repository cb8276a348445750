#include "mmapcore/page.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

namespace causeway {
namespace {

TEST(Page, SizeIsAPowerOfTwo) {
  EXPECT_GT(PageSize(), 0u);
  EXPECT_EQ(PageSize() & (PageSize() - 1), 0u);
}

TEST(Page, RoundingLeavesMultiplesAlone) {
  for (const uint64_t bytes :
       {uint64_t{0}, PageSize(), 7 * PageSize(), UINT64_MAX - PageSize() + 1}) {
    EXPECT_TRUE(IsPageAligned(bytes));
    EXPECT_EQ(RoundDownToPage(bytes), bytes);
    EXPECT_EQ(RoundUpToPage(bytes), bytes);
  }
}

TEST(Page, RoundingMovesOtherNumbersToTheirNeighbours) {
  for (const uint64_t bytes : {uint64_t{1}, PageSize() / 2, PageSize() - 1}) {
    EXPECT_FALSE(IsPageAligned(bytes));
    EXPECT_EQ(RoundDownToPage(bytes), 0u);
    EXPECT_EQ(RoundUpToPage(bytes), PageSize());
    EXPECT_EQ(RoundDownToPage(5 * PageSize() + bytes), 5 * PageSize());
    EXPECT_EQ(RoundUpToPage(5 * PageSize() + bytes), 6 * PageSize());
  }
}

TEST(Page, RoundingUpPast64BitsGivesNothing) {
  EXPECT_EQ(RoundUpToPage(UINT64_MAX), std::nullopt);
  EXPECT_EQ(RoundUpToPage(UINT64_MAX - PageSize() + 2), std::nullopt);
}

TEST(Page, SumsPast64BitsGiveNothing) {
  EXPECT_EQ(CheckedAdd(UINT64_MAX - 1, 1), UINT64_MAX);
  EXPECT_EQ(CheckedAdd(UINT64_MAX, 0), UINT64_MAX);
  EXPECT_EQ(CheckedAdd(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(CheckedAdd(1, UINT64_MAX), std::nullopt);
  EXPECT_EQ(CheckedAdd(UINT64_MAX, UINT64_MAX), std::nullopt);
}

}  // namespace
}  // namespace causeway
