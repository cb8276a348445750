// Where segments go when they are made of huge pages. These are four pages long here.

#include <cstdint>
#include <utility>
#include <vector>

#include "control/state/catalog_fixture.h"
#include "control/state/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr uint64_t kHuge = 4 * kTestPage;

Limits HugeLimits() {
  Limits limits = SmallLimits();
  limits.huge_page_bytes = kHuge;
  limits.default_capacity_bytes = 8 * kHuge;
  limits.max_capacity_bytes_per_lane = 8 * kHuge;
  limits.max_writable_bytes_per_agent = 64 * kHuge;
  limits.max_frame_bytes = 6 * kTestPage;
  limits.default_max_frame_bytes = 6 * kTestPage;
  return limits;
}

class HugeSegmentsTest : public ::testing::Test {
 protected:
  // Offsets and lengths.
  std::vector<std::pair<uint64_t, uint64_t>> Extents(uint64_t lane_id) const {
    std::vector<std::pair<uint64_t, uint64_t>> extents;
    const Books& books = fixture_.books();
    for (const auto& [offset, id] : books.extents.OfFile(books.lanes.Find(lane_id)->file_id())) {
      extents.emplace_back(offset, books.extents.Find(id)->length());
    }
    return extents;
  }

  CatalogFixture fixture_{HugeLimits()};
  uint64_t session_ = fixture_.Attach("writer");
};

TEST_F(HugeSegmentsTest, TheFirstSegmentsAreWholeHugePagesBehindTheLanePage) {
  const uint64_t lane = fixture_.AddWriter(session_);
  EXPECT_THAT(Extents(lane),
              ElementsAre(Pair(0, kTestPage), Pair(kHuge, kHuge), Pair(2 * kHuge, kHuge)));
}

TEST_F(HugeSegmentsTest, LaterSegmentsAreAlignedAndLargeOnesFullyUsed) {
  const uint64_t lane = fixture_.AddWriter(session_);
  ASSERT_TRUE(fixture_.Grow(session_, lane, 6 * kTestPage).ok());
  ASSERT_TRUE(fixture_.Grow(session_, lane).ok());
  EXPECT_THAT(Extents(lane),
              ElementsAre(Pair(0, kTestPage), Pair(kHuge, kHuge), Pair(2 * kHuge, kHuge),
                          Pair(3 * kHuge, 2 * kHuge), Pair(5 * kHuge, kHuge)));
}

TEST_F(HugeSegmentsTest, ALargeSegmentIsAsShortAsItMayBeWhereTheCapacityEnds) {
  const uint64_t lane = fixture_.AddWriter(session_);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(fixture_.Grow(session_, lane, 6 * kTestPage).ok());
  // Six of eight huge pages are used. With the seventh there is room for neither two huge pages nor
  // six pages, but for three.
  const auto last = fixture_.Grow(session_, lane, kHuge);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->length(), kHuge);
  EXPECT_EQ(fixture_.Grow(session_, lane, 6 * kTestPage).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(fixture_.Grow(session_, lane, 3 * kTestPage).ok());
}

}  // namespace
}  // namespace causeway
