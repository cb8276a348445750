#include "control/state/extent_table.h"

#include <cstdint>

#include "control/state/journal.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

constexpr uint64_t kPage = 4096;

records::Extent Make(uint64_t id, uint64_t file, uint64_t offset, uint64_t length,
                     records::Extent::Purpose purpose = records::Extent::PURPOSE_SEGMENT) {
  records::Extent extent;
  extent.set_extent_id(id);
  extent.set_file_id(file);
  extent.set_offset(offset);
  extent.set_length(length);
  extent.set_session_id(100);
  extent.set_owner_id(50);
  extent.set_purpose(purpose);
  return extent;
}

TEST(ExtentTable, FindsTheFirstOverlapAndNothingBeside) {
  Journal journal;
  ExtentTable table(&journal);
  table.Put(Make(1, 9, 2 * kPage, 2 * kPage));
  table.Put(Make(2, 9, 6 * kPage, kPage));
  const auto overlap = [&](uint64_t offset, uint64_t length) -> uint64_t {
    const records::Extent* extent = table.Overlapping(9, offset, length);
    return extent == nullptr ? 0 : extent->extent_id();
  };
  EXPECT_EQ(overlap(0, 2 * kPage), 0u);
  EXPECT_EQ(overlap(0, 2 * kPage + 1), 1u);
  EXPECT_EQ(overlap(3 * kPage, kPage), 1u);
  EXPECT_EQ(overlap(4 * kPage, 2 * kPage), 0u);
  EXPECT_EQ(overlap(4 * kPage, 20 * kPage), 2u);
  EXPECT_EQ(overlap(0, ~uint64_t{0}), 1u);
  EXPECT_EQ(table.Overlapping(8, 0, kPage), nullptr);
}

TEST(ExtentTable, SpaceIsUsedAgainAndUndoneWithItsRow) {
  Journal journal;
  ExtentTable table(&journal);
  EXPECT_EQ(*table.FindSpace(9, kPage, kPage), 0u);
  table.Put(Make(1, 9, 0, 2 * kPage));
  table.Put(Make(2, 9, 2 * kPage, kPage));
  EXPECT_EQ(*table.FindSpace(9, kPage, kPage), 3 * kPage);
  const Journal::Mark mark = journal.Here();
  table.Erase(1);
  EXPECT_EQ(*table.FindSpace(9, kPage, kPage), 0u);
  EXPECT_EQ(table.WritableBytes(100), kPage);
  journal.UndoTo(mark);
  EXPECT_EQ(*table.FindSpace(9, kPage, kPage), 3 * kPage);
  EXPECT_EQ(table.WritableBytes(100), 3 * kPage);
  EXPECT_EQ(table.SegmentBytes(50), 3 * kPage);
  EXPECT_EQ(table.TotalWritableBytes(), 3 * kPage);
  journal.UndoAll();
  EXPECT_EQ(table.TotalWritableBytes(), 0u);
  EXPECT_TRUE(table.OfFile(9).empty());
  EXPECT_EQ(*table.FindSpace(9, kPage, kPage), 0u);
}

TEST(ExtentTable, SpaceIsAlignedAndAlignedHolesAreUsedAgain) {
  Journal journal;
  ExtentTable table(&journal);
  constexpr uint64_t kAlignment = 8 * kPage;
  table.Put(Make(1, 9, 0, kPage));
  EXPECT_EQ(*table.FindSpace(9, kAlignment, kAlignment), kAlignment);
  table.Put(Make(2, 9, kAlignment, kAlignment));
  table.Put(Make(3, 9, 2 * kAlignment, kAlignment));
  EXPECT_EQ(*table.FindSpace(9, 2 * kAlignment, kAlignment), 3 * kAlignment);
  table.Erase(2);
  EXPECT_EQ(*table.FindSpace(9, kPage, kPage), kPage);
  table.Put(Make(4, 9, kPage, kAlignment - kPage));  // What is left is a hole of just that size.
  EXPECT_EQ(*table.FindSpace(9, kAlignment, kAlignment), kAlignment);
}

TEST(ExtentTable, ExtentsOfSplitsDoNotCount) {
  Journal journal;
  ExtentTable table(&journal);
  // The last extent of a user's file may be short.
  table.Put(Make(1, 9, 0, 100, records::Extent::PURPOSE_SPLIT_TARGET));
  EXPECT_EQ(table.WritableBytes(100), 0u);
  EXPECT_EQ(table.TotalWritableBytes(), 0u);
  EXPECT_NE(table.Overlapping(9, 50, kPage), nullptr);
}

TEST(ExtentTableDeathTest, AnOverlapStopsTheCoordinator) {
  Journal journal;
  ExtentTable table(&journal);
  table.Put(Make(1, 9, 0, 2 * kPage));
  EXPECT_DEATH(table.Put(Make(2, 9, kPage, kPage)), "overlap");
}

}  // namespace
}  // namespace causeway
