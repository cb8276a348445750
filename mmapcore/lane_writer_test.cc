#include "mmapcore/lane_writer.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/mapping.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::AnonymousFile;
using ::causeway::testing::FileSupply;
using ::causeway::testing::IsOk;
using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::StatusIs;
using ::causeway::testing::TestLane;
using ::causeway::testing::WritePattern;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The longest frame that fits an empty segment of 8 KiB.
constexpr uint64_t kExactFit = 8192 - kHeaderPageBytes - 2 * kHeaderWordBytes;

// Reads a frame and says whether it is the expected one.
::testing::AssertionResult ReadsFrame(LaneReader& reader, uint64_t seed, size_t length) {
  const FrameView frame = reader.TryNext();
  if (!frame) {
    return ::testing::AssertionFailure()
           << "no frame: state " << static_cast<int>(frame.state) << ", " << reader.status();
  }
  if (frame.size != length) return ::testing::AssertionFailure() << "length " << frame.size;
  if (!IsPatternFrame(seed, frame.payload())) return ::testing::AssertionFailure() << "bytes";
  return ::testing::AssertionSuccess();
}

TEST(LaneWriter, DeliversFramesOfEveryLengthInOrder) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (size_t length = 0; length <= kExactFit; length += length < 70 ? 1 : 331) {
    ASSERT_TRUE(WritePattern(lane.writer(), length, length)) << length;
    ASSERT_TRUE(ReadsFrame(*reader, length, length)) << length;
    EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
  }
}

TEST(LaneWriter, DeliversAFrameOfZeroBytes) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  const Claim claim = lane.writer().TryClaim(0);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim.length, 0u);
  EXPECT_TRUE(lane.writer().Commit(0));
  const FrameView frame = reader->TryNext();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame.size, 0u);
}

TEST(LaneWriter, AFrameThatFitsExactlyDoesNotRoll) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(WritePattern(lane.writer(), 1, kExactFit));
  EXPECT_EQ(lane.writer().counters().rolls, 0u);
  ASSERT_TRUE(WritePattern(lane.writer(), 2, 0));
  EXPECT_EQ(lane.writer().counters().rolls, 1u);
  EXPECT_TRUE(ReadsFrame(*reader, 1, kExactFit));
  EXPECT_TRUE(ReadsFrame(*reader, 2, 0));
}

TEST(LaneWriter, AFrameLargerThanASegmentGetsOneOfItsOwnSize) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(WritePattern(lane.writer(), 1, 10));
  EXPECT_EQ(lane.writer().TryClaim(kExactFit + 1).refusal, Refusal::kFull);
  EXPECT_THAT(lane.supply().requests(), ElementsAre(3 * 4096));
  ASSERT_TRUE(WritePattern(lane.writer(), 2, kExactFit + 1));
  ASSERT_TRUE(WritePattern(lane.writer(), 3, 10));
  EXPECT_TRUE(ReadsFrame(*reader, 1, 10));
  EXPECT_TRUE(ReadsFrame(*reader, 2, kExactFit + 1));
  EXPECT_TRUE(ReadsFrame(*reader, 3, 10));
}

TEST(LaneWriter, MakesRoomForALargeFrameWithinItsCapacity) {
  TestLane lane({.capacity_bytes = 6 * 8192, .max_frame_bytes = 4 * 8192});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  uint64_t written = 0;
  while (WritePattern(lane.writer(), written, 1000)) ++written;
  ASSERT_EQ(lane.writer().counters().segment_bytes, 6u * 8192);
  EXPECT_EQ(lane.writer().TryClaim(4 * 8192).refusal, Refusal::kFull);
  for (uint64_t i = 0; i < written; ++i) ASSERT_TRUE(ReadsFrame(*reader, i, 1000));
  // The reader is in the last segment: the others make room.
  EXPECT_EQ(lane.writer().TryClaim(4 * 8192).refusal, Refusal::kFull);
  EXPECT_TRUE(WritePattern(lane.writer(), 1, 4 * 8192));
  EXPECT_TRUE(ReadsFrame(*reader, 1, 4 * 8192));
  EXPECT_LE(lane.writer().counters().segment_bytes, lane.options().capacity_bytes);
}

TEST(LaneWriter, KeepsALargeSegmentForTheNextLargeFrame) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (uint64_t i = 0; i < 100; ++i) {
    while (!WritePattern(lane.writer(), i, 9000)) {
    }
    ASSERT_TRUE(ReadsFrame(*reader, i, 9000));
  }
  EXPECT_LE(lane.supply().requests().size(), 4u);
}

// The capacity holds the segment of one large frame and an ordinary one, but not two large ones.
constexpr testing::TestLaneOptions kOneLargeSegment = {.capacity_bytes = 4 * 8192,
                                                       .max_frame_bytes = 16000};

TEST(LaneWriter, LargeFramesInARowTakeTurnsInOneSegment) {
  TestLane lane(kOneLargeSegment);
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (uint64_t i = 0; i < 20; ++i) {
    // Readers have to get past the frame before; then it takes two more claims at most.
    for (int claims = 0; claims < 3 && !WritePattern(lane.writer(), i, 16000); ++claims) {
      EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
    }
    ASSERT_TRUE(ReadsFrame(*reader, i, 16000)) << i;
  }
  EXPECT_LE(lane.writer().counters().segment_bytes, lane.options().capacity_bytes);
}

TEST(LaneWriter, LargeFramesInARowNeedNoReader) {
  TestLane lane(kOneLargeSegment);
  ASSERT_EQ(lane.writer().TryClaim(16000).refusal, Refusal::kFull);  // Its segment is asked for.
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(WritePattern(lane.writer(), i, 16000)) << i;
}

TEST(LaneWriter, TheLatestFrameIsFoundBeforeEmptySegments) {
  TestLane lane({.capacity_bytes = 16 * 8192});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(WritePattern(lane.writer(), 1, 10));
  while (!WritePattern(lane.writer(), 2, 16000)) {
  }
  for (const uint64_t length : {4000, 16000}) {
    while (!lane.writer().TryClaim(length)) {
    }
    lane.writer().Abandon();
  }
  ASSERT_EQ(lane.writer().counters().rolls, 3u);
  uint64_t skipped = 0;
  const FrameView frame = reader->TryLatest(skipped);
  EXPECT_TRUE(frame && IsPatternFrame(2, frame.payload()));
  EXPECT_EQ(skipped, 1u);
}

TEST(LaneWriter, AsksAheadForLargeFramesOnceTwoCameInARow) {
  TestLane lane({.capacity_bytes = 32 * 8192, .initial_segments = 8});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  const auto write = [&] {
    while (!WritePattern(lane.writer(), 1, 9000)) {
    }
  };
  write();
  EXPECT_EQ(lane.supply().requests().size(), 1u);  // For itself.
  write();
  EXPECT_EQ(lane.supply().requests().size(), 3u);  // For itself, and for the next one,
  EXPECT_TRUE(
      WritePattern(lane.writer(), 1, 9000));  // which finds a segment, as do all from now on.
  EXPECT_TRUE(WritePattern(lane.writer(), 1, 9000));
}

TEST(LaneWriter, RefusesWhatIsTooLargeAndGoesOn) {
  TestLane lane({.max_frame_bytes = 100});
  EXPECT_EQ(lane.writer().TryClaim(101).refusal, Refusal::kTooLarge);
  EXPECT_EQ(lane.writer().TryClaim(~uint64_t{0}).refusal, Refusal::kTooLarge);
  EXPECT_EQ(lane.writer().TryClaim(~uint64_t{0} - 8).refusal, Refusal::kTooLarge);
  EXPECT_TRUE(lane.writer().TryClaim(100));
}

TEST(LaneWriter, ACommitShorterThanItsClaimIsAFrameOfThatLength) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  const Claim claim = lane.writer().TryClaim(1000);
  ASSERT_TRUE(claim);
  std::memcpy(claim.data, "abc", 3);
  ASSERT_TRUE(lane.writer().Commit(3));
  ASSERT_TRUE(WritePattern(lane.writer(), 2, 40));
  const FrameView frame = reader->TryNext();
  ASSERT_TRUE(frame);
  EXPECT_EQ(std::memcmp(frame.data, "abc", 3), 0);
  EXPECT_EQ(frame.size, 3u);
  EXPECT_TRUE(ReadsFrame(*reader, 2, 40));
}

TEST(LaneWriter, CommitsOnlyWhatWasClaimed) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(lane.writer().Commit(0));
  ASSERT_TRUE(lane.writer().TryClaim(10));
  EXPECT_FALSE(lane.writer().Commit(11));
  ASSERT_TRUE(lane.writer().Commit(10));
  EXPECT_FALSE(lane.writer().Commit(10));
  ASSERT_TRUE(lane.writer().TryClaim(10));
  lane.writer().Abandon();
  EXPECT_FALSE(lane.writer().Commit(10));
  EXPECT_TRUE(reader->TryNext());
  EXPECT_FALSE(reader->TryNext());
}

TEST(LaneWriter, AnAbandonedClaimLeavesNoTrace) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  const Claim claim = lane.writer().TryClaim(64);
  std::memset(claim.data, 0xFF, 64);
  lane.writer().Abandon();
  EXPECT_FALSE(reader->TryNext());
  ASSERT_TRUE(WritePattern(lane.writer(), 1, 8));
  EXPECT_TRUE(ReadsFrame(*reader, 1, 8));
  // What the abandoned claim left behind the frame is not taken for a header word.
  EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
}

TEST(LaneWriter, AClaimSurvivesQuestionsAboutReaders) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(lane.writer().TryClaim(10));
  EXPECT_TRUE(lane.writer().Drained());
  EXPECT_TRUE(lane.writer().WaitForReadersUntil(1, Deadline::Passed()));
  EXPECT_TRUE(lane.writer().Commit(10));
}

TEST(LaneWriter, IsFullWhenAReaderHoldsEverythingAndGoesOnWhenItMoves) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  uint64_t written = 0;
  // 4 segments, each with room for 4 frames.
  while (WritePattern(lane.writer(), written, 1000)) ++written;
  EXPECT_EQ(written, 16u);
  EXPECT_EQ(lane.writer().counters().segment_bytes, lane.options().capacity_bytes);
  for (uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(ReadsFrame(*reader, i, 1000));
  EXPECT_FALSE(WritePattern(lane.writer(), 16, 1000));  // It still stands in the first segment.
  ASSERT_TRUE(ReadsFrame(*reader, 4, 1000));
  EXPECT_TRUE(WritePattern(lane.writer(), 16, 1000));
  EXPECT_GT(lane.writer().counters().recycles, 0u);
  for (uint64_t i = 5; i <= 16; ++i) ASSERT_TRUE(ReadsFrame(*reader, i, 1000));
}

TEST(LaneWriter, AsksForTheNextSegmentBeforeItNeedsIt) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(WritePattern(lane.writer(), 1, 1000));
  EXPECT_THAT(lane.supply().requests(), IsEmpty());   // A second segment is at hand.
  ASSERT_TRUE(WritePattern(lane.writer(), 1, 1000));  // It is in use now.
  EXPECT_THAT(lane.supply().requests(), ElementsAre(8192));
}

TEST(LaneWriter, NeverAsksBeyondItsCapacity) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 1000)) {
  }
  EXPECT_THAT(lane.supply().requests(), SizeIs(2));
  EXPECT_EQ(lane.writer().counters().segment_bytes, lane.options().capacity_bytes);
}

TEST(LaneWriter, GoesOnWithWhatItHasWhenTheSupplyGivesNothing) {
  TestLane lane;
  lane.supply().set_mode(FileSupply::Mode::kIgnore);
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(WritePattern(lane.writer(), i, 1000)) << i;
    ASSERT_TRUE(ReadsFrame(*reader, i, 1000));
  }
  EXPECT_EQ(lane.writer().counters().segment_bytes, 2u * 8192);
}

TEST(LaneWriter, UsesFewSegmentsInTurnHoweverManyAreFree) {
  TestLane lane({.capacity_bytes = 8 * 8192, .initial_segments = 8});
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(WritePattern(lane.writer(), 1, 1000));
  // Nobody reads: the first one and four more take turns, three are never touched.
  EXPECT_EQ(lane.writer().counters().recycles, lane.writer().counters().rolls - 4);
}

TEST(LaneWriter, GivesBackASegmentThatMakesNoSense) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  lane.writer();
  lane.supply().Offer({.extent = {.offset = uint64_t{1} << 40, .length = 8192}});
  lane.supply().Offer({.extent = {.offset = 123, .length = 8192}});
  for (uint64_t i = 0; i < 16; ++i) ASSERT_TRUE(WritePattern(lane.writer(), i, 1000));
  EXPECT_EQ(lane.writer().counters().segments_refused, 2u);
  EXPECT_THAT(lane.supply().returned(), SizeIs(2));
  EXPECT_THAT(lane.writer().status(), IsOk());
  for (uint64_t i = 0; i < 16; ++i) ASSERT_TRUE(ReadsFrame(*reader, i, 1000));
}

TEST(LaneWriter, BlocksUntilItsDeadline) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 1000)) {
  }
  const Deadline deadline = Deadline::After(absl::Milliseconds(20));
  EXPECT_EQ(lane.writer().ClaimUntil(1000, deadline).refusal, Refusal::kTimedOut);
  EXPECT_TRUE(deadline.HasPassed());
}

TEST(LaneWriter, ABlockedWriterIsWokenByTheReaderThatLeavesASegment) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 1000)) {
  }
  std::thread consumer([&] {
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(ReadsFrame(*reader, 1, 1000));
  });
  EXPECT_TRUE(lane.writer().ClaimUntil(1000, Deadline::Infinite()));
  consumer.join();
}

TEST(LaneWriter, ABlockedWriterIsWokenByTheReaderThatCloses) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 1000)) {
  }
  std::thread consumer([&] { reader->Close(); });
  EXPECT_TRUE(lane.writer().ClaimUntil(1000, Deadline::Infinite()));
  consumer.join();
}

TEST(LaneWriter, ABlockedWriterIsWokenWhenItsReaderIsDismissed) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 1000)) {
  }
  std::thread events([&] { lane.Dismiss(1); });
  EXPECT_TRUE(lane.writer().ClaimUntil(1000, Deadline::Infinite()));
  events.join();
}

TEST(LaneWriter, ABlockedWriterIsWokenByANewSegment) {
  TestLane lane;
  lane.supply().set_mode(FileSupply::Mode::kHold);
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 1000)) {
  }
  std::thread coordinator([&] {
    EXPECT_EQ(lane.supply().ServeRequests(), 1);
    lane.writer().attention().Raise();
  });
  EXPECT_TRUE(lane.writer().ClaimUntil(1000, Deadline::Infinite()));
  coordinator.join();
}

TEST(LaneWriter, ABlockedWriterIsWokenByTheFence) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  while (WritePattern(lane.writer(), 1, 1000)) {
  }
  std::thread events([&] { lane.writer().Fence(absl::FailedPreconditionError("evicted")); });
  EXPECT_EQ(lane.writer().ClaimUntil(1000, Deadline::Infinite()).refusal, Refusal::kFenced);
  events.join();
}

TEST(LaneWriter, ClaimsNothingOnceFenced) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(lane.writer().TryClaim(8));
  lane.writer().Fence(absl::FailedPreconditionError("session 7 was evicted"));
  lane.writer().Fence(absl::InternalError("later"));
  EXPECT_TRUE(lane.writer().Commit(8));  // Claimed before.
  EXPECT_EQ(lane.writer().TryClaim(8).refusal, Refusal::kFenced);
  EXPECT_EQ(lane.writer().TryWrite({}), Refusal::kFenced);
  EXPECT_THAT(lane.writer().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("session 7")));
  // It does not end its lane: the coordinator does.
  lane.CloseWriter();
  EXPECT_TRUE(reader->TryNext());
  EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
}

TEST(LaneWriter, ClosesOnceAndThenRefuses) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(WritePattern(lane.writer(), 1, 10));
  lane.writer().Close();
  lane.writer().Close();
  EXPECT_EQ(lane.writer().TryClaim(0).refusal, Refusal::kClosed);
  EXPECT_TRUE(ReadsFrame(*reader, 1, 10));
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
  EXPECT_EQ(reader->end(), LaneEnd::kClosed);
  EXPECT_TRUE(lane.writer().Drained());
}

TEST(LaneWriter, HasRoomForCloseInAFullSegment) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(WritePattern(lane.writer(), 1, kExactFit));
  lane.CloseWriter();
  EXPECT_TRUE(ReadsFrame(*reader, 1, kExactFit));
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
}

TEST(LaneWriter, DrainsWhenEveryReaderHasReadEverything) {
  TestLane lane;
  EXPECT_TRUE(lane.writer().Drained());
  std::unique_ptr<LaneReader> first = lane.Join(1);
  std::unique_ptr<LaneReader> second = lane.Join(2);
  ASSERT_TRUE(WritePattern(lane.writer(), 1, 10));
  EXPECT_FALSE(lane.writer().Drained());
  EXPECT_TRUE(ReadsFrame(*first, 1, 10));
  EXPECT_TRUE(ReadsFrame(*second, 1, 10));
  EXPECT_FALSE(lane.writer().Drained());  // They still look at it.
  first->Release();
  EXPECT_FALSE(lane.writer().DrainUntil(Deadline::After(absl::Milliseconds(5))));
  std::thread consumer([&] { EXPECT_FALSE(second->TryNext()); });
  EXPECT_TRUE(lane.writer().DrainUntil(Deadline::Infinite()));
  consumer.join();
}

TEST(LaneWriter, WaitsForReaders) {
  TestLane lane;
  EXPECT_FALSE(lane.writer().WaitForReadersUntil(1, Deadline::After(absl::Milliseconds(5))));
  std::unique_ptr<LaneReader> reader;
  std::thread events([&] { reader = lane.Join(1); });
  EXPECT_TRUE(lane.writer().WaitForReadersUntil(1, Deadline::Infinite()));
  events.join();
  EXPECT_EQ(lane.writer().reader_count(), 1u);
}

TEST(LaneWriter, IgnoresAnOlderRoster) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  lane.writer().SetRoster({}, 0);
  EXPECT_EQ(lane.writer().reader_count(), 1u);
}

TEST(LaneWriter, HoldsEverythingForAReaderThatHasNotBegun) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  uint64_t written = 0;
  while (WritePattern(lane.writer(), written, 1000)) ++written;
  for (uint64_t i = 0; i < written; ++i) ASSERT_TRUE(ReadsFrame(*reader, i, 1000));
}

TEST(LaneWriter, ALateReaderBeginsAtTheOldestRetainedSegment) {
  TestLane lane;
  std::unique_ptr<LaneReader> early = lane.Join(1);
  for (uint64_t i = 0; i < 6; ++i) ASSERT_TRUE(WritePattern(lane.writer(), i, 1000));
  std::unique_ptr<LaneReader> late = lane.Join(2);
  EXPECT_TRUE(ReadsFrame(*late, 0, 1000));
}

TEST(LaneWriter, RingsOncePerSleep) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  absl::StatusOr<Mapping> page =
      Mapping::MapWhole(lane.cursor_file(1), {.protection = Protection::kReadWrite});
  ASSERT_THAT(page, IsOk());
  auto* const cursor = &PageAt<CursorPage>(page->mutable_data() + kHeaderPageBytes);
  for (uint32_t sleep = 1; sleep <= 3; ++sleep) {
    cursor->parked.StoreRelaxed(sleep);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(WritePattern(lane.writer(), 1, 8));
    EXPECT_EQ(lane.writer().counters().rings, sleep);
    cursor->parked.StoreRelaxed(0);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(WritePattern(lane.writer(), 1, 8));
    EXPECT_EQ(lane.writer().counters().rings, sleep);
  }
}

// What the cursor pages of broken readers do.

TEST(LaneWriter, ACursorBeyondTheHeadHoldsNothing) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  absl::StatusOr<Mapping> page =
      Mapping::MapWhole(lane.cursor_file(1), {.protection = Protection::kReadWrite});
  ASSERT_THAT(page, IsOk());
  auto* const cursor = &PageAt<CursorPage>(page->mutable_data() + kHeaderPageBytes);
  cursor->position.StoreRelease(~uint64_t{0} - 5);
  for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(WritePattern(lane.writer(), i, 1000));
  EXPECT_EQ(lane.writer().counters().bad_cursors, 0u);
}

TEST(LaneWriter, ACursorPageOfSomebodyElseHoldsNothingAndIsCounted) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  absl::StatusOr<Mapping> page =
      Mapping::MapWhole(lane.cursor_file(1), {.protection = Protection::kReadWrite});
  ASSERT_THAT(page, IsOk());
  auto* const cursor = &PageAt<CursorPage>(page->mutable_data() + kHeaderPageBytes);
  cursor->page.lane_id.StoreRelaxed(999);
  cursor->position.StoreRelease(1);
  for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(WritePattern(lane.writer(), i, 1000));
  EXPECT_EQ(lane.writer().counters().bad_cursors, 1u);
}

TEST(LaneWriter, RefusesLimitsThatCannotBe) {
  const FileExtent segment = {.offset = 4096, .length = 8192};
  const LaneWriterOptions good = {
      .segment_bytes = 8192, .capacity_bytes = 8192, .max_frame_bytes = 1};
  LaneWriterOptions wrong[] = {good, good, good, good, good};
  wrong[0].segment_bytes = 8191;
  wrong[1].segment_bytes = 4096;
  wrong[2].capacity_bytes = 8191;
  wrong[3].max_frame_bytes = kMaxFrameBytes + 1;
  wrong[4].max_frame_bytes = kExactFit + 1;
  for (const LaneWriterOptions& options : wrong) {
    MappedFile file = AnonymousFile("lane", 3 * 4096);
    FileSupply supply(file, 0);
    EXPECT_THAT(LaneWriter::Create(*MappedFile::FromFd(UniqueFd(dup(file.fd())), "lane"), 0,
                                   std::span(&segment, 1), options, &supply),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  MappedFile file = AnonymousFile("lane", 3 * 4096);
  FileSupply supply(file, 0);
  EXPECT_THAT(LaneWriter::Create(std::move(file), 0, {}, good, &supply),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(LaneWriter, RefusesALaneThatHadAWriterBefore) {
  TestLane lane;
  lane.writer();
  lane.CloseWriter();
  const FileExtent segment = lane.supply().Allocate(8192);
  EXPECT_THAT(LaneWriter::Create(*MappedFile::FromFd(UniqueFd(dup(lane.lane_file().fd())), "lane"),
                                 0, std::span(&segment, 1),
                                 {.segment_bytes = 8192, .capacity_bytes = 8192}, &lane.supply()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace causeway
