#include "tests/faults/history_checker.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/reader_policy.h"

namespace causeway::faults {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kLane = 7;
constexpr uint64_t kFrames = 10;
constexpr uint64_t kBytes = 48;

uint64_t PositionOf(uint64_t number) { return 4096 + number * 64; }

ReadFrame FrameNumber(uint64_t number) {
  return {.lane_id = kLane,
          .position = PositionOf(number),
          .bytes = kBytes,
          .stated_lane_id = kLane,
          .stated_bytes = kBytes,
          .number = number};
}

ReadGap GapOf(uint64_t first, uint64_t frames) {
  return {.lane_id = kLane,
          .begin = PositionOf(first),
          .end = PositionOf(first + frames),
          .frames = frames};
}

CommittedLane AllCommitted() {
  return {.lane_id = kLane, .begun = kFrames, .committed = kFrames, .ended = true};
}

std::vector<uint64_t> AllPositions() {
  std::vector<uint64_t> positions;
  for (uint64_t number = 0; number < kFrames; ++number) positions.push_back(PositionOf(number));
  return positions;
}

// One story: what the reader was given, in its order, and what was committed.
struct Story {
  std::vector<std::function<void(HistoryChecker&)>> steps;
  CommittedLane lane = AllCommitted();

  Story& Frames(uint64_t first, uint64_t end) {
    for (uint64_t number = first; number < end; ++number) Frame(FrameNumber(number));
    return *this;
  }
  Story& Frame(const ReadFrame& frame) {
    steps.push_back([frame](HistoryChecker& checker) { checker.Frame(frame); });
    return *this;
  }
  Story& Gap(const ReadGap& gap) {
    steps.push_back([gap](HistoryChecker& checker) { checker.Gap(gap); });
    return *this;
  }
  Story& End() {
    steps.push_back([](HistoryChecker& checker) { checker.End(); });
    return *this;
  }

  std::vector<std::string> Judge(ReaderPolicy policy = ReaderPolicy::kBlock) const {
    HistoryChecker checker("reader", policy);
    checker.ExpectFromStart(kLane);
    for (const auto& step : steps) step(checker);
    checker.Judge(lane, /*must_be_complete=*/true, AllPositions());
    return checker.violations();
  }
};

TEST(HistoryChecker, FindsNothingWrongWithAWholeHistory) {
  EXPECT_THAT(Story().Frames(0, kFrames).End().Judge(), IsEmpty());
}

TEST(HistoryChecker, FindsNothingWrongWithAnExactGap) {
  const Story story = Story().Frames(0, 3).Gap(GapOf(3, 4)).Frames(7, kFrames).End();
  EXPECT_THAT(story.Judge(ReaderPolicy::kDrop), IsEmpty());
}

TEST(HistoryChecker, FindsNothingWrongWithGapsAtBothEnds) {
  const Story story = Story().Gap(GapOf(0, 2)).Gap(GapOf(2, 1)).Frames(3, 8).Gap(GapOf(8, 2)).End();
  EXPECT_THAT(story.Judge(ReaderPolicy::kDrop), IsEmpty());
}

TEST(HistoryChecker, AllowsTheFrameWhoseCommitWasUnderWayAtDeathOrNot) {
  Story seen = Story().Frames(0, kFrames).End();
  seen.lane.committed = kFrames - 1;
  EXPECT_THAT(seen.Judge(), IsEmpty());
  Story unseen = Story().Frames(0, kFrames - 1).End();
  unseen.lane.committed = kFrames - 1;
  EXPECT_THAT(unseen.Judge(), IsEmpty());
}

TEST(HistoryChecker, LetsAReaderBeginAnywhereThatJoinedLater) {
  HistoryChecker checker("reader", ReaderPolicy::kBlock);
  for (uint64_t number = 4; number < kFrames; ++number) checker.Frame(FrameNumber(number));
  checker.End();
  checker.Judge(AllCommitted(), /*must_be_complete=*/true, AllPositions());
  EXPECT_THAT(checker.violations(), IsEmpty());
}

TEST(HistoryChecker, DoesNotTakeTheEndOfKnownLanesForTheEndOfAnUnknownOne) {
  EXPECT_THAT(Story().End().Frames(0, kFrames).End().Judge(), IsEmpty());
}

// ---- Planted bugs: each is found ----------------------------------------------------------------

TEST(HistoryChecker, FindsALostFrame) {
  EXPECT_THAT(Story().Frames(0, 4).Frames(5, kFrames).Judge(),
              Contains(HasSubstr("frames 4 to 4 are missing")));
}

TEST(HistoryChecker, FindsALostFirstFrame) {
  EXPECT_THAT(Story().Frames(1, kFrames).Judge(), Contains(HasSubstr("frames 0 to 0 are missing")));
}

TEST(HistoryChecker, FindsALostLastFrame) {
  EXPECT_THAT(Story().Frames(0, kFrames - 1).Judge(), Contains(HasSubstr("9 to 9 never came")));
}

TEST(HistoryChecker, FindsADuplicate) {
  EXPECT_THAT(Story().Frames(0, 5).Frames(4, kFrames).Judge(),
              Contains(HasSubstr("frame 4 came again or late")));
}

TEST(HistoryChecker, FindsFramesInTheWrongOrder) {
  EXPECT_THAT(Story().Frames(0, 4).Frames(5, 6).Frames(4, 5).Frames(6, kFrames).Judge(),
              Contains(HasSubstr("frame 4 came again or late")));
}

TEST(HistoryChecker, FindsATornPayload) {
  ReadFrame torn = FrameNumber(4);
  torn.whole = false;
  EXPECT_THAT(Story().Frames(0, 4).Frame(torn).Judge(), Contains(HasSubstr("a torn frame")));
}

TEST(HistoryChecker, FindsAWrongLength) {
  ReadFrame shorter = FrameNumber(4);
  shorter.bytes -= 8;
  EXPECT_THAT(Story().Frames(0, 4).Frame(shorter).Judge(),
              Contains(HasSubstr("frame 4 has 40 bytes; 48 were committed")));
}

TEST(HistoryChecker, FindsAFrameAfterTheEnd) {
  EXPECT_THAT(Story().Frames(0, 4).End().Frames(4, kFrames).Judge(),
              Contains(HasSubstr("after the lane's end")));
}

TEST(HistoryChecker, FindsAnEndThatWasToldTooEarly) {
  EXPECT_THAT(Story().Frames(0, 4).End().Judge(), Contains(HasSubstr("its end was told after")));
}

TEST(HistoryChecker, FindsTheEndOfALaneThatLives) {
  Story story = Story().Frames(0, kFrames).End();
  story.lane.ended = false;
  EXPECT_THAT(story.Judge(), Contains(HasSubstr("its writer goes on")));
}

TEST(HistoryChecker, FindsASilentGap) {
  EXPECT_THAT(Story().Frames(0, 3).Frames(7, kFrames).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("frames 3 to 6 are missing")));
}

TEST(HistoryChecker, FindsAGapThatCountsTooFew) {
  ReadGap gap = GapOf(3, 4);
  gap.frames = 3;
  EXPECT_THAT(Story().Frames(0, 3).Gap(gap).Frames(7, kFrames).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("wrong count")));
}

TEST(HistoryChecker, FindsAGapThatCountsTooMany) {
  ReadGap gap = GapOf(3, 4);
  gap.frames = 5;
  EXPECT_THAT(Story().Frames(0, 3).Gap(gap).Frames(7, kFrames).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("frame 7 came again or late: 8 was the next")));
}

TEST(HistoryChecker, FindsAGapThatBeginsTooEarly) {
  ReadGap gap = GapOf(3, 4);
  gap.begin -= 64;
  EXPECT_THAT(Story().Frames(0, 3).Gap(gap).Frames(7, kFrames).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("what came before it reaches to")));
}

TEST(HistoryChecker, FindsAGapThatBeginsTooLate) {
  ReadGap gap = GapOf(3, 4);
  gap.begin += 64;
  EXPECT_THAT(Story().Frames(0, 3).Gap(gap).Frames(7, kFrames).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("but frame 3 lies at")));
}

TEST(HistoryChecker, FindsAGapThatEndsTooEarly) {
  ReadGap gap = GapOf(3, 4);
  gap.end -= 64;
  EXPECT_THAT(Story().Frames(0, 3).Gap(gap).Frames(7, kFrames).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("but frame 6 lies at")));
}

TEST(HistoryChecker, FindsAGapThatEndsTooLate) {
  ReadGap gap = GapOf(3, 4);
  gap.end += 64;
  EXPECT_THAT(Story().Frames(0, 3).Gap(gap).Frames(7, kFrames).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("frame 7 has position")));
}

TEST(HistoryChecker, FindsALastGapThatEndsTooLate) {
  ReadGap gap = GapOf(3, 4);
  gap.end = PositionOf(9);
  EXPECT_THAT(Story().Frames(0, 3).Gap(gap).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("also covers the next one")));
}

TEST(HistoryChecker, FindsAnEmptyGap) {
  EXPECT_THAT(Story().Frames(0, 3).Gap(GapOf(3, 0)).Frames(3, kFrames).Judge(ReaderPolicy::kDrop),
              Contains(HasSubstr("an empty gap")));
}

TEST(HistoryChecker, FindsAGapOfAReaderThatIsWaitedFor) {
  EXPECT_THAT(Story().Frames(0, 3).Gap(GapOf(3, 4)).Frames(7, kFrames).Judge(),
              Contains(HasSubstr("not to miss anything")));
}

TEST(HistoryChecker, FindsAnUncommittedFrame) {
  Story story = Story().Frames(0, kFrames);
  story.lane.begun = story.lane.committed = kFrames - 1;
  EXPECT_THAT(story.Judge(), Contains(HasSubstr("the commit of only 9 was begun")));
}

TEST(HistoryChecker, FindsAFrameThatWasGivenBack) {
  ReadFrame abandoned = FrameNumber(4);
  abandoned.number |= kNeverCommitted;
  EXPECT_THAT(Story().Frames(0, 4).Frame(abandoned).Judge(), Contains(HasSubstr("given back")));
}

TEST(HistoryChecker, FindsAFrameOfAnotherLane) {
  ReadFrame foreign = FrameNumber(4);
  foreign.stated_lane_id = kLane + 1;
  EXPECT_THAT(Story().Frames(0, 4).Frame(foreign).Judge(),
              Contains(HasSubstr("frame 4 of lane 8")));
}

TEST(HistoryChecker, FindsALaneThatCouldNotBeRead) {
  HistoryChecker checker("reader", ReaderPolicy::kBlock);
  checker.Lost(kLane, 4096);
  EXPECT_THAT(checker.violations(), Contains(HasSubstr("cannot be read on")));
}

}  // namespace
}  // namespace causeway::faults
