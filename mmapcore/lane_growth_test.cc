// When a lane gets more segments than its readers need at the moment, and when it gives them back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::FileSupply;
using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::TestLane;
using ::causeway::testing::TestLaneOptions;
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
  TestLane lane({.capacity_bytes = 16 * 8192, .keep_idle = kKeepIdle, .grow_eagerly_bytes = 0});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  int written = 0;
  while (lane.writer().counters().segment_bytes < 16 * 8192) {
    if (WritePattern(lane.writer(), 1, 3000)) ++written;
  }
  for (int i = 0; i < written; ++i) ASSERT_TRUE(Reads(*reader, 1));
  // Some take turns, and are never idle.
  while (lane.writer().counters().segment_bytes > 6 * 8192) {
    ASSERT_TRUE(WritePattern(lane.writer(), 2, 3000));
    ASSERT_TRUE(Reads(*reader, 2));
  }
  EXPECT_THAT(lane.supply().returned(), Not(IsEmpty()));
}

// Each costs a call to the coordinator, and what is asked for meanwhile stands behind it.
TEST(LaneGrowth, GivesIdleSegmentsBackOneAfterTheOther) {
  constexpr absl::Duration kKeep = absl::Milliseconds(64);
  TestLane lane({.capacity_bytes = 32 * 8192,
                 .initial_segments = 32,
                 .keep_idle = kKeep,
                 .grow_eagerly_bytes = 0});
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

TEST(LaneGrowth, KeepsWhatItMayHaveEagerly) {
  TestLane lane({.capacity_bytes = 16 * 8192,
                 .initial_segments = 16,
                 .keep_idle = absl::Milliseconds(1),
                 .grow_eagerly_bytes = 12 * 8192});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (lane.supply().returned().size() < 4) {
    ASSERT_TRUE(WritePattern(lane.writer(), 1, 3000));
    ASSERT_TRUE(Reads(*reader, 1));
  }
  // Long enough for the rest to have been idle, too.
  const Deadline later = Deadline::After(absl::Milliseconds(20));
  while (!later.HasPassed()) {
    ASSERT_TRUE(WritePattern(lane.writer(), 1, 3000));
    ASSERT_TRUE(Reads(*reader, 1));
  }
  EXPECT_EQ(lane.writer().counters().segment_bytes, 12u * 8192);
}

// A lane that has all that it may have eagerly.
TestLaneOptions Grown(absl::Duration grow_patience) {
  return {.capacity_bytes = 64 * 8192,
          .initial_segments = 4,
          .keep_idle = absl::Hours(1),
          .grow_eagerly_bytes = 4 * 8192,
          .grow_patience = grow_patience};
}

TEST(LaneGrowth, WaitsForItsReadersBeforeItGrowsFurther) {
  TestLane lane(Grown(absl::InfiniteDuration()));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  int written = 0;
  while (WritePattern(lane.writer(), 1, 3000)) ++written;
  EXPECT_EQ(lane.writer().ClaimUntil(3000, Deadline::Passed()).refusal, Refusal::kTimedOut);
  for (int i = 0; i < written; ++i) ASSERT_TRUE(Reads(*reader, 1));
  EXPECT_TRUE(WritePattern(lane.writer(), 1, 3000));
  EXPECT_THAT(lane.supply().requests(), IsEmpty());
  EXPECT_EQ(lane.writer().counters().supply_waits, 0u);
  EXPECT_GE(lane.writer().counters().segment_waits, 1u);
}

TEST(LaneGrowth, GrowsOnceItHasWaited) {
  TestLane lane(Grown(absl::Milliseconds(10)));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 3000)) {
  }
  EXPECT_THAT(lane.supply().requests(), IsEmpty());
  // Nobody rings: the sleep ends by itself.
  ASSERT_TRUE(lane.writer().ClaimUntil(3000, Deadline::Infinite()));
}

// Claims again and again, and sees whether it ever lost its processor for long meanwhile.
class SteadyWriter {
 public:
  SteadyWriter(LaneWriter& writer, absl::Duration longest_pause)
      : writer_(writer), longest_pause_(absl::ToInt64Nanoseconds(longest_pause)) {}

  bool Write() {
    const bool written = WritePattern(writer_, 1, 3000);
    const int64_t now = Deadline::NowNanos();
    steady_ = steady_ && now - last_ <= longest_pause_;
    last_ = now;
    return written;
  }
  bool steady() const { return steady_; }
  int64_t last_nanos() const { return last_; }

 private:
  LaneWriter& writer_;
  const int64_t longest_pause_;
  int64_t last_ = Deadline::NowNanos();
  bool steady_ = true;
};

TEST(LaneGrowth, AsksWhileItWaitsForItsReadersForWhatItThenGoesOnWith) {
  constexpr absl::Duration kPatience = absl::Milliseconds(20);
  // It asks when half of its patience is over. A writer that sleeps through that asks too late:
  // such a trial says nothing.
  while (true) {
    TestLane lane(Grown(kPatience));
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    SteadyWriter writer(lane.writer(), kPatience / 4);
    int64_t before = 0;
    do {
      before = writer.last_nanos();
    } while (writer.Write());
    while (!writer.Write()) {
    }
    const int64_t waited = writer.last_nanos() - before;
    const bool asked = !lane.supply().requests().empty();
    const uint64_t supply_waits = lane.writer().counters().supply_waits;
    // As much again: readers that stay away for longer cost no wait soon. (A frame in each
    // segment.)
    for (int i = 0; i < 3; ++i) {
      while (!writer.Write()) {
      }
    }
    const uint64_t segment_bytes = lane.writer().counters().segment_bytes;
    // No sooner than this, however fast or slow the machine is, and at once then.
    EXPECT_GE(waited, absl::ToInt64Nanoseconds(kPatience));
    EXPECT_TRUE(asked);
    if (!writer.steady()) continue;
    EXPECT_EQ(supply_waits, 0u);
    EXPECT_EQ(segment_bytes, 8u * 8192);
    return;
  }
}

TEST(LaneGrowth, UsesWhatIsStillOnItsWayAsItComes) {
  TestLane lane(Grown(absl::Milliseconds(20)));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  lane.supply().set_mode(FileSupply::Mode::kHold);
  while (WritePattern(lane.writer(), 1, 3000)) {
  }
  while (lane.supply().ServeRequests() == 0) WritePattern(lane.writer(), 1, 3000);
  while (!WritePattern(lane.writer(), 1, 3000)) {
  }
  // The first of the four that it is to have more.
  while (WritePattern(lane.writer(), 1, 3000)) {
  }
  ASSERT_EQ(lane.writer().counters().segment_bytes, 5u * 8192);
  ASSERT_EQ(lane.supply().ServeRequests(), 1);
  EXPECT_TRUE(WritePattern(lane.writer(), 1, 3000));
}

TEST(LaneGrowth, UsesWhatItHasAskedForAfterItsReadersHaveComeBack) {
  TestLane lane(Grown(absl::Milliseconds(500)));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  int written = 0;
  while (WritePattern(lane.writer(), 1, 3000)) ++written;
  while (lane.supply().requests().size() < 2) {
    if (WritePattern(lane.writer(), 1, 3000)) ++written;
  }
  for (int i = 0; i < written; ++i) ASSERT_TRUE(Reads(*reader, 1));
  lane.supply().set_mode(FileSupply::Mode::kIgnore);
  written = 0;
  while (WritePattern(lane.writer(), 1, 3000)) ++written;
  EXPECT_GE(written * 8192u, lane.writer().counters().segment_bytes - 8192);
  EXPECT_GE(lane.writer().counters().segment_bytes, 5u * 8192);
}

TEST(LaneGrowth, WaitsForTheSupplyIfThatIsLate) {
  TestLane lane(Grown(absl::Milliseconds(10)));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  lane.supply().set_mode(FileSupply::Mode::kIgnore);
  while (lane.writer().counters().supply_waits == 0) WritePattern(lane.writer(), 1, 3000);
  lane.supply().set_mode(FileSupply::Mode::kServe);
  EXPECT_TRUE(lane.writer().ClaimUntil(3000, Deadline::Infinite()));
}

TEST(LaneGrowth, GrowsInTimeForAClaimThatCannotWaitSoLong) {
  TestLane lane(Grown(absl::Hours(1)));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 3000)) {
  }
  EXPECT_TRUE(lane.writer().ClaimUntil(3000, Deadline::After(absl::Seconds(1))));
}

TEST(LaneGrowth, DoesNotWaitForReadersThatHoldNoSegmentThatWillDo) {
  TestLane lane(Grown(absl::InfiniteDuration()));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_EQ(lane.writer().TryClaim(9000).refusal, Refusal::kFull);
  EXPECT_TRUE(lane.writer().TryClaim(9000));
}

TEST(LaneGrowth, GrowsAheadOfNeedForReadersThatNoClaimWaitsFor) {
  TestLane lane(Grown(absl::InfiniteDuration()));
  std::unique_ptr<LaneReader> reader = lane.Join(1, {.policy = ReaderPolicy::kDrop});
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(WritePattern(lane.writer(), 1, 3000));
  EXPECT_GE(lane.writer().counters().segment_bytes, 50u * 8192);  // A frame in each.
  EXPECT_EQ(lane.writer().counters().laps, 0u);
}

TEST(LaneGrowth, GrowsAheadOfNeedWhereSegmentsAreFilledSlowly) {
  TestLane lane(Grown(absl::InfiniteDuration()));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  // Each frame fills a segment; the reader keeps up until it is known how fast.
  for (int i = 0; i < 30; ++i) {
    absl::SleepFor(absl::Milliseconds(1));
    ASSERT_TRUE(WritePattern(lane.writer(), 1, 3000));
    ASSERT_TRUE(Reads(*reader, 1));
  }
  for (int i = 0; i < 60; ++i) {
    absl::SleepFor(absl::Milliseconds(1));
    ASSERT_TRUE(WritePattern(lane.writer(), 1, 3000));
  }
  EXPECT_EQ(lane.writer().counters().segment_waits, 0u);
}

}  // namespace
}  // namespace causeway
