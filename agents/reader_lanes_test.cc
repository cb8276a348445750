#include "agents/reader_lanes.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <thread>

#include "agents/testing/local_stream.h"
#include "gtest/gtest.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

using ::testing::TestWithParam;

// Whoever waits in these tests is woken by what the test does; the limit only ends a failed run.
constexpr absl::Duration kLong = absl::Seconds(60);

void Write(WriterLane& writer, const std::string& text) {
  absl::StatusOr<Claim> claim = writer.ClaimUntil(text.size(), kLong);
  ASSERT_TRUE(claim.ok()) << claim.status();
  std::copy_n(reinterpret_cast<const std::byte*>(text.data()), text.size(), claim->data);
  ASSERT_TRUE(writer.lane()->Commit(text.size()));
}

std::string Text(const Frame& frame) {
  return std::string(reinterpret_cast<const char*>(frame.payload.data()), frame.payload.size());
}

// The next frame's text, or what came instead.
std::string Next(ReaderLanes& reader, absl::Duration timeout = kLong) {
  const absl::StatusOr<Delivery> next = reader.Next(timeout);
  if (!next.ok()) return std::string(absl::StatusCodeToString(next.status().code()));
  switch (next->kind) {
    case Delivery::Kind::kFrame:
      return Text(next->frame);
    case Delivery::Kind::kDeadline:
      return "(deadline)";
    case Delivery::Kind::kEnded:
      return std::string("(") + EndCauseName(next->end_cause) + ")";
    case Delivery::Kind::kLaneLost:
      return "(lost " + std::to_string(next->frame.lane_id) + ")";
    case Delivery::Kind::kGap:
      return "(missed " + std::to_string(next->gap.frames) + ")";
  }
  return "?";
}

class ReaderLanesTest : public ::testing::Test {
 protected:
  LocalStream stream_;
};

class ReaderLanesInEveryMode : public TestWithParam<WaitMode> {
 protected:
  LocalStream stream_;
};

TEST_P(ReaderLanesInEveryMode, WaitsForAFrame) {
  WriterLane& writer = stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7, GetParam());
  stream_.Introduce(1, 7);
  std::thread late([&writer] { Write(writer, "late"); });
  EXPECT_EQ(Next(reader), "late");
  late.join();
}

TEST_P(ReaderLanesInEveryMode, WaitsForALane) {
  WriterLane& writer = stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7, GetParam());
  Write(writer, "first");
  std::thread late([this] { stream_.Introduce(1, 7); });
  EXPECT_EQ(Next(reader), "first");
  late.join();
}

TEST_P(ReaderLanesInEveryMode, WaitsForTheEnd) {
  stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7, GetParam());
  stream_.Introduce(1, 7);
  std::thread late([&reader] { reader.EndLane(1, EndCause::kDied); });
  EXPECT_EQ(Next(reader), "(died)");
  late.join();
}

TEST_P(ReaderLanesInEveryMode, TellsTheDeadline) {
  stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7, GetParam());
  stream_.Introduce(1, 7);
  EXPECT_EQ(Next(reader, absl::ZeroDuration()), "(deadline)");
  EXPECT_EQ(Next(reader, absl::Milliseconds(2)), "(deadline)");
}

TEST_P(ReaderLanesInEveryMode, AFenceEndsAWait) {
  stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7, GetParam());
  stream_.Introduce(1, 7);
  std::thread late([&reader] { reader.Fence(absl::FailedPreconditionError("evicted")); });
  EXPECT_EQ(Next(reader), "FAILED_PRECONDITION");
  EXPECT_EQ(Next(reader), "FAILED_PRECONDITION");
  late.join();
}

INSTANTIATE_TEST_SUITE_P(Modes, ReaderLanesInEveryMode,
                         ::testing::Values(WaitMode::kSpin, WaitMode::kAdaptive, WaitMode::kPark));

TEST_F(ReaderLanesTest, TheDescriptorIsReadableForLanesFramesAndTheEnd) {
  WriterLane& writer = stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7);
  const absl::StatusOr<int> descriptor = reader.Descriptor();
  ASSERT_TRUE(descriptor.ok()) << descriptor.status();
  // Sleeps in poll() until what is expected has come.
  const auto await = [&](const std::string& expected) {
    while (true) {
      const std::string found = Next(reader, absl::ZeroDuration());
      if (found != "(deadline)" || expected == found) {
        EXPECT_EQ(found, expected);
        return;
      }
      ASSERT_TRUE(reader.ArmDescriptor().ok());
      pollfd polled = {.fd = *descriptor, .events = POLLIN, .revents = 0};
      ASSERT_EQ(poll(&polled, 1, -1), 1);
    }
  };
  std::thread other([&] {
    stream_.Introduce(1, 7);
    for (int i = 0; i < 100; ++i) Write(writer, std::to_string(i));
    reader.EndLane(1, EndCause::kDied);
  });
  for (int i = 0; i < 100; ++i) await(std::to_string(i));
  await("(died)");
  other.join();
}

TEST_F(ReaderLanesTest, ReadsEveryFrameOnceAndInOrder) {
  WriterLane& writer = stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7);
  stream_.Introduce(1, 7);
  for (int i = 0; i < 20'000; ++i) {
    Write(writer, std::to_string(i));
    ASSERT_EQ(Next(reader), std::to_string(i));
  }
  EXPECT_EQ(reader.counters().frames, 20'000);
}

TEST_F(ReaderLanesTest, ServesLanesInTurns) {
  ReaderLanes& reader = stream_.AddReader(7);
  for (uint64_t lane_id : {1, 2, 3}) {
    stream_.AddWriter(lane_id);
    stream_.Introduce(lane_id, 7);
    for (int i = 0; i < 300; ++i) Write(stream_.writer(lane_id), std::to_string(i));
  }
  std::map<uint64_t, int> seen;
  for (int i = 0; i < 900; ++i) {
    absl::StatusOr<Delivery> next = reader.Next(kLong);
    ASSERT_TRUE(next.ok() && next->kind == Delivery::Kind::kFrame);
    ASSERT_EQ(Text(next->frame), std::to_string(seen[next->frame.lane_id]++));
    // Nobody has had two turns before everybody has had one.
    if (i == 300) {
      EXPECT_EQ(seen.size(), 3u);
    }
  }
}

TEST_F(ReaderLanesTest, ABusyLaneDoesNotKeepALonelyFrameWaiting) {
  ReaderLanes& reader = stream_.AddReader(7);
  stream_.AddWriter(1);
  stream_.AddWriter(2);
  stream_.Introduce(1, 7);
  stream_.Introduce(2, 7);
  for (int i = 0; i < 1000; ++i) Write(stream_.writer(1), "busy");
  EXPECT_EQ(Next(reader), "busy");
  Write(stream_.writer(2), "lonely");
  int before = 0;
  while (Next(reader) != "lonely") ++before;
  EXPECT_LT(before, 100);
}

TEST_F(ReaderLanesTest, WhatWasCommittedComesBeforeTheEnd) {
  WriterLane& writer = stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Write(writer, "a");
  Write(writer, "b");
  reader.EndLane(1, EndCause::kDied);
  EXPECT_EQ(Next(reader), "a");
  EXPECT_EQ(Next(reader), "b");
  EXPECT_EQ(Next(reader), "(died)");
  EXPECT_EQ(stream_.released(), std::vector<uint64_t>{1});
}

TEST_F(ReaderLanesTest, TheEndIsTheGravestAmongTheLanes) {
  ReaderLanes& reader = stream_.AddReader(7);
  for (uint64_t lane_id : {1, 2, 3}) {
    stream_.AddWriter(lane_id);
    stream_.Introduce(lane_id, 7);
  }
  reader.EndLane(1, EndCause::kDied);
  EXPECT_EQ(Next(reader, absl::ZeroDuration()), "(deadline)");
  stream_.writer(2).Close();
  EXPECT_EQ(Next(reader, absl::ZeroDuration()), "(deadline)");
  reader.EndLane(3, EndCause::kEvicted);
  EXPECT_EQ(Next(reader), "(died)");
  EXPECT_EQ(reader.lanes(), 0);
}

TEST_F(ReaderLanesTest, TheEndIsToldUntilAnotherLaneOpens) {
  ReaderLanes& reader = stream_.AddReader(7);
  stream_.AddWriter(1);
  stream_.Introduce(1, 7);
  reader.EndLane(1, EndCause::kDied);
  EXPECT_EQ(Next(reader), "(died)");
  EXPECT_EQ(Next(reader), "(died)");
  EXPECT_EQ(reader.WaitForWriter(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);

  std::thread late([this] {
    Write(stream_.AddWriter(2), "again");
    stream_.Introduce(2, 7);
  });
  EXPECT_TRUE(reader.WaitForWriter(kLong).ok());
  EXPECT_EQ(Next(reader), "again");
  late.join();
  stream_.writer(2).Close();
  EXPECT_EQ(Next(reader), "(closed)");
}

TEST_F(ReaderLanesTest, ALostLaneIsToldOnceAndTheOthersGoOn) {
  ReaderLanes& reader = stream_.AddReader(7);
  Write(stream_.AddWriter(1), "never read");
  Write(stream_.AddWriter(2), "one");
  // Its writer has damaged the first segment's header.
  ASSERT_EQ(pwrite(stream_.lane_file(1).fd(), "damaged!", 8, kHeaderPageBytes), 8);
  stream_.Introduce(1, 7);
  stream_.Introduce(2, 7);
  std::map<std::string, int> seen;
  for (int i = 0; i < 3; ++i) ++seen[Next(reader, absl::ZeroDuration())];
  EXPECT_EQ(seen, (std::map<std::string, int>{{"(lost 1)", 1}, {"one", 1}, {"(deadline)", 1}}));
  Write(stream_.writer(2), "two");
  EXPECT_EQ(Next(reader), "two");
  // It can be given back only once its writer has ended it.
  EXPECT_EQ(stream_.released(), std::vector<uint64_t>{1});
  reader.EndLane(1, EndCause::kDied);
  EXPECT_EQ(stream_.released(), (std::vector<uint64_t>{1, 1}));
}

TEST_F(ReaderLanesTest, ALaneThatWasLeftIsNotFollowedAgain) {
  ReaderLanes& reader = stream_.AddReader(7);
  Write(stream_.AddWriter(1), "once");
  stream_.Introduce(1, 7);
  stream_.TellReader(1, 7);
  EXPECT_EQ(reader.lanes(), 1);
  EXPECT_EQ(Next(reader), "once");
  reader.EndLane(1, EndCause::kClosed);
  EXPECT_EQ(Next(reader), "(closed)");
  stream_.TellReader(1, 7);
  EXPECT_EQ(reader.lanes(), 0);
  EXPECT_EQ(Next(reader), "(closed)");
  // Nor once it was given back: the news may have been on its way, and the cursor page was used.
  reader.Released(1);
  stream_.TellReader(1, 7);
  EXPECT_EQ(reader.lanes(), 0);
  EXPECT_EQ(Next(reader), "(closed)");
}

TEST_F(ReaderLanesTest, ALaneThatIsNotNamedAgainHasEnded) {
  ReaderLanes& reader = stream_.AddReader(7);
  Write(stream_.AddWriter(1), "last");
  stream_.AddWriter(2);
  stream_.Introduce(1, 7);
  stream_.Introduce(2, 7);
  reader.KeepOnly({2});
  EXPECT_EQ(Next(reader), "last");
  EXPECT_EQ(Next(reader, absl::ZeroDuration()), "(deadline)");
  EXPECT_EQ(reader.lanes(), 1);
}

TEST_F(ReaderLanesTest, AFrameIsHeldUntilTheNextIsAskedFor) {
  WriterLane& writer = stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Write(writer, "a");
  EXPECT_EQ(Next(reader), "a");
  EXPECT_EQ(writer.Drain(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Next(reader, absl::ZeroDuration()), "(deadline)");
  EXPECT_TRUE(writer.Drain(absl::ZeroDuration()).ok());
}

TEST_F(ReaderLanesTest, AFrameOfOneLaneIsGivenBackWhenAnotherIsServed) {
  ReaderLanes& reader = stream_.AddReader(7);
  for (uint64_t lane_id : {1, 2}) {
    stream_.AddWriter(lane_id);
    stream_.Introduce(lane_id, 7);
    Write(stream_.writer(lane_id), "a");
  }
  Next(reader);
  Next(reader);
  const bool first = stream_.writer(1).Drain(absl::ZeroDuration()).ok();
  const bool second = stream_.writer(2).Drain(absl::ZeroDuration()).ok();
  EXPECT_NE(first, second);  // Only the frame that is in the reader's hands is held.
}

TEST_F(ReaderLanesTest, ClosingLetsTheWriterGoOn) {
  WriterLane& writer = stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Write(writer, "a");
  reader.Close();
  EXPECT_TRUE(writer.Drain(kLong).ok());
  EXPECT_EQ(Next(reader), "FAILED_PRECONDITION");
}

TEST_F(ReaderLanesTest, LagsNameTheWriter) {
  WriterLane& writer = stream_.AddWriter(1);
  ReaderLanes& reader = stream_.AddReader(7);
  stream_.Introduce(1, 7);
  Write(writer, std::string(1000, 'x'));
  writer.lane()->PublishProgress();
  const std::vector<LaneLag> lags = reader.Lags();
  ASSERT_EQ(lags.size(), 1u);
  EXPECT_EQ(lags[0].label, "agent-of-lane-1");
  EXPECT_GE(lags[0].lag_bytes, 1000u);
}

}  // namespace
}  // namespace causeway
