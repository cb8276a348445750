#include "mmapcore/wait_set.h"

#include <poll.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::PatternFrame;
using ::causeway::testing::TestLane;

constexpr WaitSetOptions kParkAtOnce = {.max_spin_nanos = 0};

void Write(TestLane& lane, uint64_t seed, size_t length = 16) {
  ASSERT_EQ(lane.writer().TryWrite(PatternFrame(seed, length)), Refusal::kNone);
}

TEST(WaitSet, IsReadyAtOnceWhenAFrameIsThere) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  WaitSet waiting(kParkAtOnce);
  waiting.Add(reader.get());
  Write(lane, 1);
  EXPECT_EQ(waiting.WaitUntil(Deadline::Passed()), WaitResult::kReady);
  EXPECT_EQ(waiting.parks(), 0u);
}

TEST(WaitSet, TimesOut) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(reader->TryNext());
  for (const int64_t spin : {int64_t{0}, int64_t{20'000}}) {
    WaitSet waiting({.max_spin_nanos = spin});
    waiting.Add(reader.get());
    const Deadline deadline = Deadline::After(absl::Milliseconds(5));
    EXPECT_EQ(waiting.WaitUntil(deadline), WaitResult::kTimedOut);
    EXPECT_TRUE(deadline.HasPassed());
  }
}

TEST(WaitSet, WithoutReadersWaitsForAttention) {
  WaitSet waiting(kParkAtOnce);
  EXPECT_EQ(waiting.WaitUntil(Deadline::After(absl::Milliseconds(1))), WaitResult::kTimedOut);
  std::thread other([&] { waiting.attention().Raise(); });
  EXPECT_EQ(waiting.WaitUntil(Deadline::Infinite()), WaitResult::kAttention);
  other.join();
  EXPECT_EQ(waiting.WaitUntil(Deadline::Passed()), WaitResult::kTimedOut);  // Once.
}

TEST(WaitSet, AParkedReaderIsWokenByACommit) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(reader->TryNext());
  WaitSet waiting(kParkAtOnce);
  waiting.Add(reader.get());
  std::thread writer([&] { Write(lane, 1); });
  EXPECT_EQ(waiting.WaitUntil(Deadline::Infinite()), WaitResult::kReady);
  writer.join();
  EXPECT_TRUE(reader->TryNext());
}

TEST(WaitSet, AParkedReaderIsWokenWhenItsLaneIsClosed) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(reader->TryNext());
  WaitSet waiting(kParkAtOnce);
  waiting.Add(reader.get());
  std::thread writer([&] { lane.CloseWriter(); });
  EXPECT_EQ(waiting.WaitUntil(Deadline::Infinite()), WaitResult::kReady);
  writer.join();
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
}

TEST(WaitSet, AParkedReaderIsWokenWhenItIsAdmitted) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.OpenReader(1);
  Write(lane, 1);
  WaitSet waiting(kParkAtOnce);
  waiting.Add(reader.get());
  std::thread events([&] { lane.Admit(1); });
  EXPECT_EQ(waiting.WaitUntil(Deadline::Infinite()), WaitResult::kReady);
  events.join();
  EXPECT_TRUE(reader->TryNext());
}

TEST(WaitSet, AParkedReaderIsWokenByAttentionToTheEndOfItsWriter) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(reader->TryNext());
  WaitSet waiting(kParkAtOnce);
  waiting.Add(reader.get());
  std::thread events([&] {
    reader->SetWriterGone(LaneEnd::kWriterDied);
    waiting.attention().Raise();
  });
  // Attention, or the reader, whichever is seen first.
  EXPECT_NE(waiting.WaitUntil(Deadline::Infinite()), WaitResult::kTimedOut);
  events.join();
  EXPECT_TRUE(reader->Ready());
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
}

TEST(WaitSet, IgnoresReadersThatHaveEnded) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  lane.CloseWriter();
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
  WaitSet waiting(kParkAtOnce);
  waiting.Add(reader.get());
  EXPECT_EQ(waiting.WaitUntil(Deadline::After(absl::Milliseconds(2))), WaitResult::kTimedOut);
}

TEST(WaitSet, WakesForAnyOfManyLanes) {
  // More than one system call can watch.
  constexpr size_t kLanes = 140;
  std::vector<std::unique_ptr<TestLane>> lanes;
  std::vector<std::unique_ptr<LaneReader>> readers;
  WaitSet waiting(kParkAtOnce);
  for (size_t i = 0; i < kLanes; ++i) {
    lanes.push_back(std::make_unique<TestLane>());
    readers.push_back(lanes.back()->Join(1));
    EXPECT_FALSE(readers.back()->TryNext());
    waiting.Add(readers.back().get());
  }
  for (const size_t i : {size_t{0}, size_t{1}, size_t{126}, size_t{127}, kLanes - 1}) {
    std::thread writer([&] { Write(*lanes[i], i); });
    EXPECT_EQ(waiting.WaitUntil(Deadline::Infinite()), WaitResult::kReady);
    writer.join();
    EXPECT_TRUE(readers[i]->TryNext());
  }
}

TEST(WaitSet, SpinsWithoutEverSleeping) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(reader->TryNext());
  WaitSet waiting({.mode = WaitMode::kSpin});
  waiting.Add(reader.get());
  EXPECT_EQ(waiting.WaitUntil(Deadline::After(absl::Milliseconds(1))), WaitResult::kTimedOut);
  std::thread writer([&] { Write(lane, 1); });
  EXPECT_EQ(waiting.WaitUntil(Deadline::Infinite()), WaitResult::kReady);
  writer.join();
  EXPECT_EQ(waiting.parks(), 0u);
}

bool Readable(int descriptor, int timeout_ms) {
  pollfd polled = {.fd = descriptor, .events = POLLIN, .revents = 0};
  return poll(&polled, 1, timeout_ms) == 1;
}

constexpr int kForEver = -1;

TEST(WaitSetDescriptor, IsReadableOnceAFrameComes) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(reader->TryNext());
  WaitSet waiting;
  waiting.Add(reader.get());
  const int descriptor = *waiting.Descriptor();
  ASSERT_TRUE(waiting.Arm().ok());
  EXPECT_FALSE(Readable(descriptor, 0));
  Write(lane, 1);
  EXPECT_TRUE(Readable(descriptor, kForEver));
  EXPECT_TRUE(Readable(descriptor, 0));  // Still.
  EXPECT_TRUE(reader->TryNext());
  EXPECT_FALSE(reader->TryNext());
  ASSERT_TRUE(waiting.Arm().ok());
  EXPECT_FALSE(Readable(descriptor, 0));
  EXPECT_EQ(*waiting.Descriptor(), descriptor);
}

TEST(WaitSetDescriptor, IsReadableAtOnceIfAFrameIsThereAlready) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(reader->TryNext());
  WaitSet waiting;
  waiting.Add(reader.get());
  Write(lane, 1);
  ASSERT_TRUE(waiting.Arm().ok());
  EXPECT_TRUE(Readable(*waiting.Descriptor(), 0));
}

TEST(WaitSetDescriptor, IsReadableOnceAttentionIsRaised) {
  WaitSet waiting;
  ASSERT_TRUE(waiting.Arm().ok());
  const int descriptor = *waiting.Descriptor();
  EXPECT_FALSE(Readable(descriptor, 0));
  std::thread other([&] { waiting.attention().Raise(); });
  EXPECT_TRUE(Readable(descriptor, kForEver));
  other.join();
  waiting.attention().Raise();  // Before it is armed again.
  ASSERT_TRUE(waiting.Arm().ok());
  EXPECT_TRUE(Readable(descriptor, 0));
}

TEST(WaitSetDescriptor, SpeaksForMoreLanesThanOneSystemCallTakes) {
  constexpr size_t kLanes = 200;
  std::vector<std::unique_ptr<TestLane>> lanes;
  std::vector<std::unique_ptr<LaneReader>> readers;
  WaitSet waiting;
  for (size_t i = 0; i < kLanes; ++i) {
    lanes.push_back(std::make_unique<TestLane>());
    readers.push_back(lanes.back()->Join(1));
    EXPECT_FALSE(readers.back()->TryNext());
    waiting.Add(readers.back().get());
  }
  for (const size_t i : {size_t{0}, size_t{126}, size_t{127}, kLanes - 1}) {
    ASSERT_TRUE(waiting.Arm().ok());
    Write(*lanes[i], i);
    EXPECT_TRUE(Readable(*waiting.Descriptor(), kForEver));
    EXPECT_TRUE(readers[i]->TryNext());
  }
  waiting.Remove(readers[3].get());
  readers[3].reset();
  ASSERT_TRUE(waiting.Arm().ok());
  Write(*lanes[4], 4);
  EXPECT_TRUE(Readable(*waiting.Descriptor(), kForEver));
}

// Both sides sleep at every step: a lost wake is a stall of 100 ms, so their sum shows.
TEST(WaitSet, LosesNoWakeInManyHandoffs) {
  constexpr int kHandoffs = 3000;
  TestLane there;
  TestLane back;
  std::unique_ptr<LaneReader> pinged = there.Join(1);
  std::unique_ptr<LaneReader> ponged = back.Join(1);
  const Deadline deadline = Deadline::After(absl::Seconds(60));
  const auto receive = [&](LaneReader& reader, WaitSet& waiting, int64_t& longest) {
    while (!reader.TryNext()) {
      const int64_t begin = Deadline::NowNanos();
      ASSERT_NE(waiting.WaitUntil(deadline), WaitResult::kTimedOut);
      longest = std::max(longest, Deadline::NowNanos() - begin);
    }
    reader.Release();
  };
  const auto send = [&](LaneWriter& writer) {
    ASSERT_TRUE(writer.ClaimUntil(8, deadline));
    ASSERT_TRUE(writer.Commit(8));
  };
  uint64_t parks = 0;
  std::thread other([&] {
    WaitSet waiting(kParkAtOnce);
    waiting.Add(pinged.get());
    int64_t longest = 0;
    for (int i = 0; i < kHandoffs; ++i) {
      receive(*pinged, waiting, longest);
      send(back.writer());
    }
    parks = waiting.parks();
  });
  WaitSet waiting(kParkAtOnce);
  waiting.Add(ponged.get());
  int64_t longest = 0;
  for (int i = 0; i < kHandoffs; ++i) {
    send(there.writer());
    receive(*ponged, waiting, longest);
  }
  other.join();
  RecordProperty("parks", static_cast<int>(parks + waiting.parks()));
  RecordProperty("longest_wait_us", static_cast<int>(longest / 1000));
  EXPECT_GT(parks + waiting.parks(), 0u);
}

}  // namespace
}  // namespace causeway
