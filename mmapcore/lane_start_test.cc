// Where readers begin, and the latest frame.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/testing/numbered_lane.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::kFramesPerSegment;
using ::causeway::testing::kLength;
using ::causeway::testing::NumberedLane;
using ::causeway::testing::Read;
using ::causeway::testing::StatusIs;
using ::causeway::testing::TestReaderOptions;
using ::testing::AllOf;
using ::testing::HasSubstr;

TestReaderOptions From(LaneStart::At at, uint64_t position = 0,
                       ReaderPolicy policy = ReaderPolicy::kBlock) {
  return {.policy = policy, .start = {.at = at, .position = position}};
}

// ---- Where to begin -----------------------------------------------------------------------------

TEST(LaneStart, AtTheLatestSeesWhatIsCommittedAfterItWasOpened) {
  for (const ReaderPolicy policy :
       {ReaderPolicy::kBlock, ReaderPolicy::kDrop, ReaderPolicy::kEvict}) {
    for (uint64_t before = 0; before < 14; ++before) {
      NumberedLane lane;
      std::unique_ptr<LaneReader> keeper = lane.Join(9);  // So that nothing is recycled.
      lane.Write(before);
      std::unique_ptr<LaneReader> reader = lane.Join(1, From(LaneStart::At::kLatest, 0, policy));
      // Before its first look, as well.
      lane.Write(2);
      Read read = {.next = before};
      EXPECT_EQ(read.All(*reader), ReadState::kNothing);
      EXPECT_EQ(read.frames, 2u);
      EXPECT_EQ(read.gaps, 0u);
    }
  }
}

TEST(LaneStart, AtTheLatestOfALaneThatRunsAwayBeforeTheWriterKnowsBeginsAtTheOldest) {
  NumberedLane lane;
  lane.Write(10);
  std::unique_ptr<LaneReader> reader = lane.OpenReader(1, From(LaneStart::At::kLatest));
  lane.Write(1000);
  lane.Admit(1);
  const FrameView first = reader->TryNext();
  ASSERT_TRUE(first);
  EXPECT_GT(first.position, lane.position(900));
}

TEST(LaneStart, AtTheLatestReachesIntoASegmentFarAhead) {
  NumberedLane lane({.capacity_bytes = 40 * 8192});
  std::unique_ptr<LaneReader> keeper = lane.Join(9);
  lane.Write(100);
  std::unique_ptr<LaneReader> reader = lane.Join(1, From(LaneStart::At::kLatest));
  EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
  lane.Write(1);
  Read read = {.next = 100};
  read.All(*reader);
  EXPECT_EQ(read.frames, 1u);
  // It has let go of the rest: only the other one holds it.
  EXPECT_EQ(reader->position(), lane.writer().head());
}

TEST(LaneStart, AtAPositionBeginsWithTheFrameThere) {
  NumberedLane lane({.capacity_bytes = 40 * 8192});
  std::unique_ptr<LaneReader> keeper = lane.Join(99);
  lane.Write(60);
  for (uint64_t number = 0; number < 60; ++number) {
    std::unique_ptr<LaneReader> reader =
        lane.Join(number + 1, From(LaneStart::At::kPosition, lane.position(number)));
    Read read = {.next = number};
    EXPECT_EQ(read.All(*reader), ReadState::kNothing);
    EXPECT_EQ(read.next, 60u);
    // One behind: the frame after it, to go on where one was.
    std::unique_ptr<LaneReader> behind =
        lane.Join(number + 101, From(LaneStart::At::kPosition, lane.position(number) + 1));
    read = {.next = number + 1};
    EXPECT_EQ(read.All(*behind), ReadState::kNothing);
    EXPECT_EQ(read.next, 60u);
    EXPECT_EQ(read.gaps, 0u);
  }
}

TEST(LaneStart, AtTheHeadWaitsForTheNextFrame) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> keeper = lane.Join(9);
  lane.Write(3);
  std::unique_ptr<LaneReader> reader =
      lane.Join(1, From(LaneStart::At::kPosition, lane.writer().head()));
  EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
  lane.Write(1);
  Read read = {.next = 3};
  read.All(*reader);
  EXPECT_EQ(read.frames, 1u);
}

TEST(LaneStart, AtAPositionBeyondTheHeadIsAnError) {
  for (const ReaderPolicy policy :
       {ReaderPolicy::kBlock, ReaderPolicy::kDrop, ReaderPolicy::kEvict}) {
    for (const uint64_t beyond : {uint64_t{1}, uint64_t{4096}, uint64_t{1} << 40, ~uint64_t{0}}) {
      NumberedLane lane;
      lane.Write(3);
      const uint64_t head = lane.writer().head();
      const uint64_t position = beyond == ~uint64_t{0} ? beyond : head + beyond;
      std::unique_ptr<LaneReader> reader =
          lane.Join(1, From(LaneStart::At::kPosition, position, policy));
      EXPECT_EQ(reader->TryNext().state, ReadState::kOutOfRange);
      EXPECT_THAT(reader->status(), StatusIs(absl::StatusCode::kOutOfRange,
                                             AllOf(HasSubstr(absl::StrCat("position ", position)),
                                                   HasSubstr(absl::StrCat("ends at ", head)))));
    }
  }
}

TEST(LaneStart, AtAPositionThatIsGoneIsAGapOrAnError) {
  NumberedLane lane;
  lane.Write(1000);
  std::unique_ptr<LaneReader> drop =
      lane.Join(1, From(LaneStart::At::kPosition, lane.position(7), ReaderPolicy::kDrop));
  ASSERT_EQ(drop->TryNext().state, ReadState::kGap);
  EXPECT_EQ(drop->gap().begin, lane.position(7));
  EXPECT_EQ(drop->gap().frames, LaneGap::kUnknown);
  const FrameView first = drop->TryNext();
  ASSERT_TRUE(first);
  EXPECT_EQ(first.position, drop->gap().end);
  // From the lane's very beginning, the number is known.
  std::unique_ptr<LaneReader> whole =
      lane.Join(2, From(LaneStart::At::kPosition, 0, ReaderPolicy::kDrop));
  Read read;
  read.All(*whole);
  EXPECT_EQ(read.frames + read.missed, 1000u);
  EXPECT_EQ(read.gaps, 1u);
  for (const ReaderPolicy policy : {ReaderPolicy::kBlock, ReaderPolicy::kEvict}) {
    std::unique_ptr<LaneReader> reader =
        lane.Join(3, From(LaneStart::At::kPosition, lane.position(7), policy));
    EXPECT_EQ(reader->TryNext().state, ReadState::kOutOfRange);
    EXPECT_THAT(reader->status(), StatusIs(absl::StatusCode::kOutOfRange,
                                           AllOf(HasSubstr("not retained"),
                                                 HasSubstr(absl::StrCat(lane.position(7))))));
    lane.Dismiss(3);
  }
}

// ---- The latest frame ---------------------------------------------------------------------------

TEST(LatestFrame, IsTheNewestAndCountsWhatItPassedOver) {
  for (const ReaderPolicy policy :
       {ReaderPolicy::kBlock, ReaderPolicy::kDrop, ReaderPolicy::kEvict}) {
    NumberedLane lane({.capacity_bytes = 40 * 8192});
    std::unique_ptr<LaneReader> reader = lane.Join(1, {.policy = policy});
    uint64_t skipped = 0;
    EXPECT_EQ(reader->TryLatest(skipped).state, ReadState::kNothing);
    uint64_t given = 0;
    uint64_t passed_over = 0;
    // Every number of frames between two looks: within a segment, up to its end, over several.
    for (uint64_t count = 1; count < 30; ++count) {
      lane.Write(count);
      const FrameView frame = reader->TryLatest(skipped);
      ASSERT_TRUE(frame) << reader->status();
      EXPECT_TRUE(IsPatternFrame(lane.written() - 1, frame.payload()));
      EXPECT_EQ(skipped, count - 1);
      ++given;
      passed_over += skipped;
      EXPECT_EQ(given + passed_over, lane.written());
      EXPECT_EQ(reader->TryLatest(skipped).state, ReadState::kNothing);
      EXPECT_EQ(skipped, 0u);
    }
    // The ordinary way goes on from there.
    lane.Write(7);
    Read read = {.next = lane.written() - 7};
    read.All(*reader);
    EXPECT_EQ(read.frames, 7u);
    lane.CloseWriter();
    EXPECT_EQ(reader->TryLatest(skipped).state, ReadState::kEnded);
  }
}

TEST(LatestFrame, IsFoundWhileTheNewestSegmentIsEmpty) {
  for (const uint64_t segments : {1, 2, 5}) {
    NumberedLane lane({.capacity_bytes = 40 * 8192});
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    lane.Write(segments * kFramesPerSegment);
    // Rolls, and commits nothing.
    ASSERT_TRUE(lane.writer().TryClaim(kLength));
    uint64_t skipped = 0;
    const FrameView frame = reader->TryLatest(skipped);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(IsPatternFrame(lane.written() - 1, frame.payload()));
    EXPECT_EQ(skipped, lane.written() - 1);
    EXPECT_EQ(reader->TryLatest(skipped).state, ReadState::kNothing);
    lane.Write(1);
    Read read = {.next = lane.written() - 1};
    read.All(*reader);
    EXPECT_EQ(read.frames, 1u);
  }
}

TEST(LatestFrame, LetsGoOfWhatItPassedOver) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (int i = 0; i < 100; ++i) {
    lane.Write(10);  // Of 16 that the lane holds.
    uint64_t skipped = 0;
    ASSERT_TRUE(reader->TryLatest(skipped));
    EXPECT_EQ(skipped, 9u);
  }
}

TEST(LatestFrame, AfterALapComesBehindTheGap) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, {.policy = ReaderPolicy::kDrop});
  lane.Write(1);
  ASSERT_TRUE(reader->TryNext());
  reader->Release();
  lane.Write(1000);
  uint64_t skipped = 0;
  ASSERT_EQ(reader->TryLatest(skipped).state, ReadState::kGap);
  const FrameView frame = reader->TryLatest(skipped);
  ASSERT_TRUE(frame);
  EXPECT_TRUE(IsPatternFrame(1000, frame.payload()));
  EXPECT_EQ(1 + reader->gap().frames + skipped + 1, lane.written());
}

TEST(LatestFrame, WithLittleAddressSpaceIsFound) {
  NumberedLane lane({.capacity_bytes = 40 * 8192});
  std::unique_ptr<LaneReader> reader = lane.Join(1, {.max_mapped_bytes = 8192});
  for (int i = 1; i < 40; ++i) {
    lane.Write(i);
    uint64_t skipped = 0;
    const FrameView frame = reader->TryLatest(skipped);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(IsPatternFrame(lane.written() - 1, frame.payload()));
  }
}

}  // namespace
}  // namespace causeway
