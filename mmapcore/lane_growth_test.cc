// When a lane gets more segments than its readers need at the moment, and when it gives them back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::FileSupply;
using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::TestLane;
using ::causeway::testing::WritePattern;
using ::testing::IsEmpty;
using ::testing::Not;

bool Reads(LaneReader& reader, uint64_t seed) {
  const FrameView frame = reader.TryNext();
  return frame && IsPatternFrame(seed, frame.payload());
}

// However long it takes until a segment has been free for that long.
constexpr absl::Duration kKeepIdle = absl::Milliseconds(20);

TEST(LaneGrowth, GivesALargeSegmentBackWhenOnlySmallFramesCome) {
  TestLane lane({.keep_idle = kKeepIdle});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_EQ(lane.writer().TryClaim(9000).refusal, Refusal::kFull);
  ASSERT_TRUE(WritePattern(lane.writer(), 1, 9000));
  ASSERT_TRUE(Reads(*reader, 1));
  const auto is_large = [](FileExtent extent) { return extent.length == 4 * 4096; };
  for (uint64_t i = 0;; ++i) {
    const std::vector<FileExtent> returned = lane.supply().returned();
    if (std::any_of(returned.begin(), returned.end(), is_large)) break;
    while (!WritePattern(lane.writer(), i, 3000)) {
    }
    ASSERT_TRUE(Reads(*reader, i));
  }
}

TEST(LaneGrowth, GivesOrdinarySegmentsBackAfterALongTimeWithoutNeed) {
  TestLane lane({.capacity_bytes = 16 * 8192, .keep_idle = kKeepIdle});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  int written = 0;
  while (WritePattern(lane.writer(), 1, 3000) ||
         lane.writer().counters().segment_bytes < 16 * 8192) {
    ++written;
  }
  for (int i = 0; i < written; ++i) ASSERT_TRUE(Reads(*reader, 1));
  while (lane.writer().counters().segment_bytes > 4 * 8192) {
    ASSERT_TRUE(WritePattern(lane.writer(), 2, 3000));
    ASSERT_TRUE(Reads(*reader, 2));
  }
  EXPECT_THAT(lane.supply().returned(), Not(IsEmpty()));
}

// Each costs a call to the coordinator, and what is asked for meanwhile stands behind it.
TEST(LaneGrowth, GivesIdleSegmentsBackOneAfterTheOther) {
  constexpr absl::Duration kKeep = absl::Milliseconds(64);
  TestLane lane({.capacity_bytes = 32 * 8192, .initial_segments = 32, .keep_idle = kKeep});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  int64_t first_nanos = 0;
  size_t returned = 0;
  while (returned < 11) {
    const int64_t before = Deadline::NowNanos();
    ASSERT_TRUE(WritePattern(lane.writer(), 1, 3000));
    ASSERT_TRUE(Reads(*reader, 1));
    returned = lane.supply().returned().size();
    if (first_nanos == 0 && returned != 0) first_nanos = before;
  }
  // No sooner than this, however fast or slow the machine is.
  EXPECT_GE(Deadline::NowNanos() - first_nanos, 10 * absl::ToInt64Nanoseconds(kKeep) / 64);
}

TEST(LaneGrowth, KeepsFreeSegmentsForTheNextBurst) {
  TestLane lane({.capacity_bytes = 16 * 8192, .keep_idle = absl::Hours(1)});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (int burst = 0; burst < 20; ++burst) {
    int written = 0;
    while (WritePattern(lane.writer(), 1, 3000) ||
           lane.writer().counters().segment_bytes < 16 * 8192) {
      ++written;
    }
    for (int i = 0; i < written; ++i) ASSERT_TRUE(Reads(*reader, 1));
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(WritePattern(lane.writer(), 2, 3000));
      ASSERT_TRUE(Reads(*reader, 2));
    }
  }
  EXPECT_THAT(lane.supply().returned(), IsEmpty());
}

TEST(LaneGrowth, HasTwiceAsMuchAfterAWaitForTheSupplyAsItHadThen) {
  TestLane lane({.capacity_bytes = 64 * 8192, .initial_segments = 8, .keep_idle = absl::Hours(1)});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  lane.supply().set_mode(FileSupply::Mode::kIgnore);
  int written = 0;
  while (WritePattern(lane.writer(), 1, 3000)) ++written;
  const LaneWriterCounters waiting = lane.writer().counters();
  EXPECT_EQ(waiting.supply_waits, 1u);
  for (int i = 0; i < written; ++i) ASSERT_TRUE(Reads(*reader, 1));

  // It gets them while nobody lags, and no more than that.
  lane.supply().set_mode(FileSupply::Mode::kServe);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(WritePattern(lane.writer(), 1, 3000));
    ASSERT_TRUE(Reads(*reader, 1));
  }
  EXPECT_EQ(lane.writer().counters().segment_bytes, 2 * waiting.segment_bytes);

  // So a reader that lags twice as much as then costs no wait, though no segment comes. (The one
  // that it stands in may be half used.)
  lane.supply().set_mode(FileSupply::Mode::kIgnore);
  for (int i = 0; i < 2 * written - 1; ++i) ASSERT_TRUE(WritePattern(lane.writer(), 1, 3000));
  EXPECT_EQ(lane.writer().counters().supply_waits, 1u);
}

}  // namespace
}  // namespace causeway
