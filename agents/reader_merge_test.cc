// Readers that merge lanes, as the client library gives them.

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/reader_lanes.h"
#include "agents/testing/local_stream.h"
#include "gtest/gtest.h"
#include "mmapcore/process_barrier.h"

namespace causeway {
namespace {

// Ends a failed run only.
constexpr absl::Duration kLong = absl::Seconds(60);

class ReaderMergeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ProcessBarrier()) GTEST_SKIP() << "the kernel has no barrier between processes";
    stream_.set_timestamps();
  }

  ReaderLanes& AddReader(uint64_t id, ReaderPolicy policy = ReaderPolicy::kBlock) {
    ReaderOptions options;
    options.policy = policy;
    options.merge = Merge::kTimestamp;
    options.merge_patience = kLong;
    return stream_.AddReader(id, WaitMode::kAdaptive, options);
  }

  void Write(uint64_t lane, uint64_t number, size_t bytes = 8) {
    absl::StatusOr<Claim> claim = stream_.writer(lane).ClaimUntil(bytes, kLong);
    ASSERT_TRUE(claim.ok()) << claim.status();
    std::memcpy(claim->data, &number, sizeof(number));
    ASSERT_TRUE(stream_.writer(lane).lane()->Commit(bytes));
  }

  // "lane:number", or what came instead.
  static std::string Next(ReaderLanes& reader, absl::Duration timeout = kLong) {
    const absl::StatusOr<Delivery> next = reader.Next(timeout);
    if (!next.ok()) return next.status().ToString();
    const std::string lane = std::to_string(next->frame.lane_id);
    switch (next->kind) {
      case Delivery::Kind::kFrame: {
        uint64_t number = 0;
        std::memcpy(&number, next->frame.payload.data(), sizeof(number));
        EXPECT_GT(next->frame.timestamp_ns, 0u);
        return lane + ":" + std::to_string(number) + (next->frame.late ? " late" : "");
      }
      case Delivery::Kind::kDeadline:
        return "(deadline)";
      case Delivery::Kind::kEnded:
        return std::string("(") + EndCauseName(next->end_cause) + ")";
      case Delivery::Kind::kLaneLost:
        return "(lost " + lane + ")";
      case Delivery::Kind::kGap:
        return "(" + lane + " missed " + std::to_string(next->gap.frames) + ")";
    }
    return "?";
  }

  LocalStream stream_;
};

TEST_F(ReaderMergeTest, GivesAllLanesInOneOrder) {
  ReaderLanes& reader = AddReader(7);
  for (uint64_t lane = 1; lane <= 3; ++lane) {
    stream_.AddWriter(lane);
    stream_.Introduce(lane, 7);
  }
  for (uint64_t i = 0; i < 300; ++i) Write(1 + i * i % 3, i);
  for (uint64_t i = 0; i < 300; ++i) {
    ASSERT_EQ(Next(reader), std::to_string(1 + i * i % 3) + ":" + std::to_string(i));
  }
  EXPECT_EQ(Next(reader, absl::ZeroDuration()), "(deadline)");
  EXPECT_EQ(reader.counters().frames, 300u);
  EXPECT_EQ(reader.counters().frames_late, 0u);
}

TEST_F(ReaderMergeTest, WithoutItLanesTakeTurnsAndFramesCarryTheirTimeAllTheSame) {
  ReaderLanes& reader = stream_.AddReader(7);
  for (uint64_t lane = 1; lane <= 2; ++lane) {
    stream_.AddWriter(lane);
    stream_.Introduce(lane, 7);
  }
  Write(2, 0);
  Write(2, 1);
  Write(1, 2);
  EXPECT_EQ(Next(reader), "2:0");
  EXPECT_EQ(Next(reader), "1:2");
  EXPECT_EQ(Next(reader), "2:1");
}

TEST_F(ReaderMergeTest, LanesComeAndGo) {
  ReaderLanes& reader = AddReader(7);
  stream_.AddWriter(1);
  stream_.Introduce(1, 7);
  Write(1, 0);
  EXPECT_EQ(Next(reader), "1:0");
  stream_.AddWriter(2);
  stream_.Introduce(2, 7);
  Write(2, 1);
  Write(1, 2);
  stream_.writer(1).Close();
  reader.EndLane(1, EndCause::kClosed);
  EXPECT_EQ(Next(reader), "2:1");
  EXPECT_EQ(Next(reader), "1:2");
  Write(2, 3);
  EXPECT_EQ(Next(reader), "2:3");
  reader.EndLane(2, EndCause::kDied);
  EXPECT_EQ(Next(reader), "(died)");
  EXPECT_EQ(stream_.released().size(), 2u);
}

TEST_F(ReaderMergeTest, ALaneThatHasNotAdmittedTheReaderIsWaitedFor) {
  ReaderLanes& reader = AddReader(7);
  stream_.AddWriter(1);
  stream_.Introduce(1, 7);
  stream_.AddWriter(2);
  stream_.TellReader(2, 7);
  Write(2, 0);
  Write(1, 1);
  EXPECT_EQ(Next(reader, absl::Milliseconds(1)), "(deadline)");
  std::thread admits([this] { stream_.TellWriter(2, 7); });
  EXPECT_EQ(Next(reader), "2:0");
  EXPECT_EQ(Next(reader), "1:1");
  admits.join();
}

TEST_F(ReaderMergeTest, AWriterThatWaitsForRoomGoesOnWhenItsFrameIsGiven) {
  ReaderLanes& reader = AddReader(7);
  stream_.AddWriter(1);
  stream_.Introduce(1, 7);
  stream_.AddWriter(2);
  stream_.Introduce(2, 7);
  std::thread writes([this] {
    for (uint64_t i = 0; i < 200; ++i) Write(1, i, 4000);  // Six times what the lane holds.
  });
  for (uint64_t i = 0; i < 200; ++i) ASSERT_EQ(Next(reader), "1:" + std::to_string(i));
  writes.join();
}

TEST_F(ReaderMergeTest, GapsComeBeforeTheLanesNextFrame) {
  ReaderLanes& reader = AddReader(7, ReaderPolicy::kDrop);
  stream_.AddWriter(1);
  stream_.Introduce(1, 7);
  Write(1, 0, 4000);
  EXPECT_EQ(Next(reader), "1:0");
  EXPECT_EQ(Next(reader, absl::ZeroDuration()), "(deadline)");
  for (uint64_t i = 1; i <= 200; ++i) Write(1, i, 4000);
  EXPECT_EQ(Next(reader).substr(0, 10), "(1 missed ");
  const uint64_t missed = reader.counters().frames_missed;
  EXPECT_GT(missed, 100u);
  EXPECT_EQ(Next(reader), "1:" + std::to_string(1 + missed));
}

TEST_F(ReaderMergeTest, AnEvictedReaderHasEnded) {
  ReaderLanes& reader = AddReader(7, ReaderPolicy::kEvict);
  stream_.AddWriter(1);
  stream_.Introduce(1, 7);
  Write(1, 0, 4000);
  EXPECT_EQ(Next(reader), "1:0");
  for (uint64_t i = 1; i <= 200; ++i) Write(1, i, 4000);
  EXPECT_TRUE(absl::IsOutOfRange(reader.Next(kLong).status()));
  EXPECT_TRUE(absl::IsOutOfRange(reader.Next(kLong).status()));
}

TEST_F(ReaderMergeTest, TheLatestFrameOfALaneIsRefused) {
  ReaderLanes& reader = AddReader(7);
  EXPECT_TRUE(absl::IsInvalidArgument(reader.Latest(kLong).status()));
}

TEST_F(ReaderMergeTest, TheDescriptorIsReadableWhileFramesAreHeldBack) {
  ReaderLanes& reader = AddReader(7);
  stream_.AddWriter(1);
  stream_.Introduce(1, 7);
  stream_.AddWriter(2);
  stream_.TellReader(2, 7);
  Write(1, 0);
  EXPECT_EQ(Next(reader, absl::ZeroDuration()), "(deadline)");
  ASSERT_TRUE(reader.ArmDescriptor().ok());
  pollfd readable = {.fd = *reader.Descriptor(), .events = POLLIN};
  EXPECT_EQ(poll(&readable, 1, -1), 1);
  stream_.TellWriter(2, 7);
  EXPECT_EQ(Next(reader), "1:0");
}

TEST_F(ReaderMergeTest, AFencedReaderSaysSoAlsoWhileItHoldsFramesBack) {
  ReaderLanes& reader = AddReader(7);
  stream_.AddWriter(1);
  stream_.Introduce(1, 7);
  stream_.AddWriter(2);
  stream_.TellReader(2, 7);
  Write(1, 0);
  std::thread fences([&reader] { reader.Fence(absl::FailedPreconditionError("evicted")); });
  EXPECT_TRUE(absl::IsFailedPrecondition(reader.Next(kLong).status()));
  fences.join();
}

}  // namespace
}  // namespace causeway
