// Readers that are not waited for, and where readers begin: as the client library gives them.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/reader_lanes.h"
#include "agents/testing/local_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(60);

// Frames that begin with their number, four to a segment of 16 KiB, of which a lane has eight.
class ReaderPolicyTest : public ::testing::Test {
 protected:
  static constexpr size_t kBytes = 3000;

  ReaderLanes& AddReader(uint64_t id, const ReaderOptions& options) {
    return stream_.AddReader(id, WaitMode::kAdaptive, options);
  }

  void Write(uint64_t lane, uint64_t count) {
    WriterLane& writer = stream_.writer(lane);
    for (uint64_t i = 0; i < count; ++i) {
      absl::StatusOr<Claim> claim = writer.ClaimUntil(kBytes, absl::ZeroDuration());
      ASSERT_TRUE(claim.ok()) << claim.status();
      std::memcpy(claim->data, &written_[lane], 8);
      ASSERT_TRUE(writer.lane()->Commit(kBytes));
      ++written_[lane];
    }
  }

  static uint64_t Number(const Frame& frame) {
    uint64_t number = 0;
    std::memcpy(&number, frame.payload.data(), 8);
    return number;
  }

  // Everything there is: the next number of each lane, by frames and gaps.
  absl::Status ReadAll(ReaderLanes& reader) {
    while (true) {
      const absl::StatusOr<Delivery> next = reader.Next(absl::ZeroDuration());
      if (!next.ok()) return next.status();
      uint64_t& expected = next_[next->frame.lane_id];
      switch (next->kind) {
        case Delivery::Kind::kFrame:
          EXPECT_EQ(Number(next->frame), expected) << "lane " << next->frame.lane_id;
          EXPECT_TRUE(reader.StillValid(next->frame));
          ++expected;
          break;
        case Delivery::Kind::kGap:
          EXPECT_EQ(next->frame.position, next->gap.begin);
          expected += next->gap.frames;
          missed_ += next->gap.frames;
          break;
        default:
          return absl::OkStatus();
      }
    }
  }

  LocalStream stream_;
  std::map<uint64_t, uint64_t> written_;
  std::map<uint64_t, uint64_t> next_;
  uint64_t missed_ = 0;
};

TEST_F(ReaderPolicyTest, ADropReaderIsToldOfAGapBeforeTheFramesBehindIt) {
  stream_.AddWriter(1);
  stream_.AddWriter(2);
  ReaderLanes& reader = AddReader(7, {.policy = ReaderPolicy::kDrop});
  stream_.Introduce(1, 7);
  stream_.Introduce(2, 7);
  Write(1, 2);
  Write(2, 2);
  ASSERT_TRUE(ReadAll(reader).ok());
  for (int i = 0; i < 20; ++i) {
    Write(1, 200);
    Write(2, 3);
    ASSERT_TRUE(ReadAll(reader).ok());
    EXPECT_EQ(next_[1], written_[1]);
    EXPECT_EQ(next_[2], written_[2]);
  }
  const ReaderCounters counters = reader.counters();
  EXPECT_EQ(counters.gaps, 20u);
  EXPECT_EQ(counters.frames_missed, missed_);
  EXPECT_EQ(counters.frames + counters.frames_missed, written_[1] + written_[2]);
  EXPECT_GT(stream_.writer(1).counters().laps, 0u);
}

TEST_F(ReaderPolicyTest, AGapThatIsNotAskedForHoldsBackTheFramesBehindIt) {
  stream_.AddWriter(1);
  ReaderLanes& reader = AddReader(7, {.policy = ReaderPolicy::kDrop});
  stream_.Introduce(1, 7);
  Write(1, 1);
  Frame frame;
  ASSERT_TRUE(reader.TryNextSlow(frame));
  const Frame held = frame;
  EXPECT_TRUE(reader.StillValid(held));
  Write(1, 500);
  EXPECT_FALSE(reader.StillValid(held));
  EXPECT_FALSE(reader.turn().lane->Release());
  EXPECT_FALSE(reader.TryNextSlow(frame));
  EXPECT_FALSE(reader.TryNextSlow(frame));
  const absl::StatusOr<Delivery> gap = reader.Next(kLong);
  ASSERT_TRUE(gap.ok());
  ASSERT_EQ(gap->kind, Delivery::Kind::kGap);
  EXPECT_EQ(gap->frame.lane_id, 1u);
  EXPECT_EQ(gap->gap.begin, held.position);
  ASSERT_TRUE(reader.TryNextSlow(frame));
  EXPECT_EQ(Number(frame), gap->gap.frames);
}

TEST_F(ReaderPolicyTest, AnEvictReaderThatIsLappedFailsForGood) {
  stream_.AddWriter(1);
  stream_.AddWriter(2);
  ReaderLanes& reader = AddReader(7, {.policy = ReaderPolicy::kEvict});
  stream_.Introduce(1, 7);
  stream_.Introduce(2, 7);
  Write(1, 2);
  ASSERT_TRUE(ReadAll(reader).ok());
  EXPECT_EQ(next_[1], 2u);
  Write(1, 500);
  Write(2, 1);
  absl::Status status;
  // The other lane's frame may come first.
  for (int i = 0; i < 3 && status.ok(); ++i) status = ReadAll(reader);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("reader 7"), HasSubstr("lane 1"), HasSubstr("evicted")));
  EXPECT_EQ(ReadAll(reader), status);
  EXPECT_EQ(reader.WaitForWriter(kLong), status);
  // It has left the other lane as well.
  Write(2, 500);
  EXPECT_EQ(stream_.writer(2).counters().laps, 0u);
}

TEST_F(ReaderPolicyTest, AWriterThatDrainsDoesNotWaitForThem) {
  stream_.AddWriter(1);
  AddReader(7, {.policy = ReaderPolicy::kDrop});
  AddReader(8, {.policy = ReaderPolicy::kEvict});
  stream_.Introduce(1, 7);
  stream_.Introduce(1, 8);
  Write(1, 3);
  EXPECT_TRUE(stream_.writer(1).Drain(absl::ZeroDuration()).ok());
}

TEST_F(ReaderPolicyTest, AWriterThatWaitsNamesAReaderThatItWaitsFor) {
  stream_.AddWriter(1);
  AddReader(7, {.policy = ReaderPolicy::kDrop});
  ReaderLanes& block = AddReader(8, {});
  stream_.Introduce(1, 7);
  stream_.Introduce(1, 8);
  Write(1, 3);
  ASSERT_TRUE(ReadAll(block).ok());
  Write(1, 1);
  const absl::Status status = stream_.writer(1).Drain(absl::ZeroDuration());
  EXPECT_THAT(std::string(status.message()), HasSubstr("the slowest of 1, agent-8"));
}

TEST_F(ReaderPolicyTest, LatestGivesTheNewestFrameOfEachLane) {
  stream_.AddWriter(1);
  stream_.AddWriter(2);
  ReaderLanes& reader = AddReader(7, {});
  stream_.Introduce(1, 7);
  stream_.Introduce(2, 7);
  Write(1, 10);
  Write(2, 5);
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> found;
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<Delivery> latest = reader.Latest(kLong);
    ASSERT_TRUE(latest.ok());
    ASSERT_EQ(latest->kind, Delivery::Kind::kFrame);
    found[latest->frame.lane_id] = {Number(latest->frame), latest->skipped};
  }
  EXPECT_EQ(found[1], std::make_pair(uint64_t{9}, uint64_t{9}));
  EXPECT_EQ(found[2], std::make_pair(uint64_t{4}, uint64_t{4}));
  EXPECT_EQ(reader.Latest(absl::ZeroDuration())->kind, Delivery::Kind::kDeadline);
  EXPECT_EQ(reader.counters().frames_skipped, 13u);
}

TEST_F(ReaderPolicyTest, BeginsAtTheLatestInLanesThatWereThereAndAtTheFirstInLaterOnes) {
  stream_.AddWriter(1);
  Write(1, 5);
  ReaderLanes& reader = AddReader(7, {.start = LaneStart::At::kLatest});
  stream_.Introduce(1, 7);
  // Its id is greater than the reader's: it was opened later.
  stream_.AddWriter(9);
  Write(9, 2);
  stream_.Introduce(9, 7);
  Write(1, 1);
  next_[1] = 5;
  ASSERT_TRUE(ReadAll(reader).ok());
  EXPECT_EQ(next_[1], 6u);
  EXPECT_EQ(next_[9], 2u);
}

TEST_F(ReaderPolicyTest, MissesNothingInSilenceOfALaterLaneThatItHearsOfLate) {
  ReaderLanes& reader = AddReader(7, {.policy = ReaderPolicy::kDrop});
  stream_.AddWriter(9);
  stream_.TellWriter(9, 7);
  Write(9, 100);  // Three times as many as the lane holds.
  stream_.TellReader(9, 7);
  ASSERT_TRUE(ReadAll(reader).ok());
  EXPECT_EQ(next_[9], 100u);
  EXPECT_GT(missed_, 50u);
}

TEST_F(ReaderPolicyTest, IsEvictedFromALaterLaneThatItHearsOfTooLate) {
  ReaderLanes& reader = AddReader(7, {.policy = ReaderPolicy::kEvict});
  stream_.AddWriter(9);
  stream_.TellWriter(9, 7);
  Write(9, 100);
  stream_.TellReader(9, 7);
  EXPECT_EQ(ReadAll(reader).code(), absl::StatusCode::kOutOfRange);
}

TEST_F(ReaderPolicyTest, BeginsBehindAFrameThatAnEarlierReaderHasSeen) {
  stream_.AddWriter(1);
  ReaderLanes& first = AddReader(7, {});
  stream_.Introduce(1, 7);
  Write(1, 6);
  uint64_t position = 0;
  for (int i = 0; i < 3; ++i) position = first.Next(kLong)->frame.position;
  ReaderLanes& second = AddReader(8, {.start_positions = {{1, position + 1}}});
  stream_.Introduce(1, 8);
  next_[1] = 3;
  ASSERT_TRUE(ReadAll(second).ok());
  EXPECT_EQ(next_[1], 6u);
}

TEST_F(ReaderPolicyTest, APositionBeyondTheHeadIsAnError) {
  stream_.AddWriter(1);
  Write(1, 1);
  ReaderLanes& reader = AddReader(7, {.start_positions = {{1, uint64_t{1} << 40}}});
  stream_.Introduce(1, 7);
  EXPECT_EQ(ReadAll(reader).code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace causeway
