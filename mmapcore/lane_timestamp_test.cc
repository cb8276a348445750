// Frames that carry the time at which they were committed.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapping.h"
#include "mmapcore/process_barrier.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::PatternFrame;
using ::causeway::testing::TestLane;

uint64_t Now() { return static_cast<uint64_t>(Deadline::NowNanos()); }

bool Write(LaneWriter& writer, uint64_t seed, size_t length) {
  return writer.TryWrite(PatternFrame(seed, length)) == Refusal::kNone;
}

bool StageFrame(LaneWriter& writer, uint64_t seed, size_t length) {
  const Claim claim = writer.TryClaim(length);
  if (!claim) return false;
  const std::vector<std::byte> payload = PatternFrame(seed, length);
  std::copy(payload.begin(), payload.end(), claim.data);
  return writer.Stage(length);
}

// The lane's file, writable: what only a hostile writer, or damage, would do with it.
class Spoiler {
 public:
  explicit Spoiler(TestLane& lane)
      : mapping_(*Mapping::Map(lane.lane_file(), 0, 3 * kHeaderPageBytes,
                               {.protection = Protection::kReadWrite})) {}

  LanePage& lane_page() { return PageAt<LanePage>(mapping_.mutable_data()); }
  // The lane's first segment.
  std::byte* segment() { return mapping_.mutable_data() + kHeaderPageBytes; }

 private:
  Mapping mapping_;
};

TEST(LaneTimestamp, IsTakenAtTheCommit) {
  TestLane lane({.timestamps = true});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  uint64_t before = Now();
  for (uint64_t i = 0; i < 50; ++i) {  // Over several segments, and all alignments.
    const size_t length = 37 * i % 1000;
    ASSERT_TRUE(lane.writer().TryClaim(length));
    const uint64_t claimed = Now();
    ASSERT_TRUE(Write(lane.writer(), i, length));
    const FrameView frame = reader->TryNext();
    ASSERT_TRUE(frame) << reader->status();
    EXPECT_EQ(frame.size, length);
    EXPECT_TRUE(IsPatternFrame(i, frame.payload()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(frame.data) % kFrameAlignment, 0u);
    EXPECT_GE(frame.timestamp_ns, claimed);
    EXPECT_GE(frame.timestamp_ns, before);
    EXPECT_LE(frame.timestamp_ns, Now());
    before = frame.timestamp_ns;
  }
}

TEST(LaneTimestamp, IsZeroInALaneWithout) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(Write(lane.writer(), 1, 10));
  ASSERT_TRUE(Write(lane.writer(), 2, 10));
  EXPECT_EQ(reader->TryNext().timestamp_ns, 0u);
  EXPECT_EQ(reader->TryNext().timestamp_ns, 0u);
}

TEST(LaneTimestamp, OfABatchIsTheTimeAtWhichItBecameVisible) {
  TestLane lane({.timestamps = true});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(StageFrame(lane.writer(), i, 10 * i));
  ASSERT_TRUE(Write(lane.writer(), 4, 40));  // Behind the batch, so with it.
  EXPECT_FALSE(reader->TryNext());
  const uint64_t staged = Now();
  ASSERT_TRUE(lane.writer().CommitStaged());
  uint64_t together = 0;
  for (uint64_t i = 0; i <= 4; ++i) {
    const FrameView frame = reader->TryNext();
    ASSERT_TRUE(frame) << reader->status();
    EXPECT_TRUE(IsPatternFrame(i, frame.payload()));
    EXPECT_EQ(frame.size, 10 * i);
    EXPECT_GE(frame.timestamp_ns, staged);
    if (i > 0) {
      EXPECT_EQ(frame.timestamp_ns, together);
    }
    together = frame.timestamp_ns;
  }
}

TEST(LaneTimestamp, IsThereForReadersThatMayBeLappedAndThatBeginLater) {
  TestLane lane({.timestamps = true});
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(Write(lane.writer(), i, 100));
  std::unique_ptr<LaneReader> drop = lane.Join(1, {.policy = ReaderPolicy::kDrop});
  std::unique_ptr<LaneReader> latest = lane.Join(2, {.start = {.at = LaneStart::At::kLatest}});
  const uint64_t before = Now();
  ASSERT_TRUE(Write(lane.writer(), 10, 100));
  const FrameView frame = latest->TryNext();
  ASSERT_TRUE(frame);
  EXPECT_TRUE(IsPatternFrame(10, frame.payload()));
  EXPECT_GE(frame.timestamp_ns, before);
  uint64_t skipped = 0;
  const FrameView newest = drop->TryLatest(skipped);
  ASSERT_TRUE(newest);
  EXPECT_EQ(skipped, 10u);
  EXPECT_EQ(newest.timestamp_ns, frame.timestamp_ns);
}

TEST(LaneTimestamp, TheLargestFrameFitsWithIt) {
  TestLane lane({.timestamps = true});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  const size_t largest = lane.options().max_frame_bytes;
  ASSERT_TRUE(Write(lane.writer(), 1, largest) || Write(lane.writer(), 1, largest));
  const FrameView frame = reader->TryNext();
  ASSERT_TRUE(frame) << reader->status();
  EXPECT_EQ(frame.size, largest);
  EXPECT_TRUE(IsPatternFrame(1, frame.payload()));
}

TEST(LaneTimestamp, ThatGoesBackIsDamage) {
  for (const ReaderPolicy policy : {ReaderPolicy::kBlock, ReaderPolicy::kDrop}) {
    TestLane lane({.timestamps = true});
    std::unique_ptr<LaneReader> reader = lane.Join(1, {.policy = policy});
    ASSERT_TRUE(Write(lane.writer(), 1, 100));
    ASSERT_TRUE(Write(lane.writer(), 2, 100));
    const FrameView first = reader->TryNext();
    ASSERT_TRUE(first);
    TimestampAt(Spoiler(lane).segment(), kHeaderPageBytes + FrameSpan(108))
        .StoreRelaxed(first.timestamp_ns - 1);
    EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
    EXPECT_EQ(reader->status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
  }
}

TEST(LaneTimestamp, OfTheFutureIsDamage) {
  for (const uint64_t ahead : {uint64_t{60'000'000'000}, UINT64_MAX / 2, UINT64_MAX}) {
    TestLane lane({.timestamps = true});
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    ASSERT_TRUE(Write(lane.writer(), 1, 100));
    const uint64_t stamp = ahead == UINT64_MAX ? ahead : Now() + ahead;
    TimestampAt(Spoiler(lane).segment(), kHeaderPageBytes).StoreRelaxed(stamp);
    EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
    EXPECT_EQ(reader->status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(LaneTimestamp, AStampedFrameThatIsTooShortForItIsDamage) {
  TestLane lane({.timestamps = true});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(Write(lane.writer(), 1, 100));
  HeaderWordAt(Spoiler(lane).segment(), kHeaderPageBytes)
      .StoreRelaxed(EncodeHeaderWord(7, FrameMark(FrameKind::kData, 1, FrameFlags::kStamped)));
  EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
}

TEST(LaneTimestamp, AFrameOfTheOtherKindIsDamage) {
  for (const bool timestamps : {false, true}) {
    TestLane lane({.timestamps = timestamps});
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    ASSERT_TRUE(Write(lane.writer(), 1, 100));
    HeaderWordAt(Spoiler(lane).segment(), kHeaderPageBytes)
        .StoreRelaxed(EncodeHeaderWord(
            100,
            FrameMark(FrameKind::kData, 1, timestamps ? FrameFlags::kNone : FrameFlags::kStamped)));
    EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
  }
}

TEST(LaneTimestamp, ALaneStandsStillOnlyWhereNothingIsToBeReadOrBeingCommitted) {
  TestLane lane({.timestamps = true});
  std::unique_ptr<LaneReader> reader = lane.OpenReader(1);
  EXPECT_FALSE(reader->StandsStill()) << "not joined";
  lane.Admit(1);
  EXPECT_FALSE(reader->StandsStill()) << "not joined";
  EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
  EXPECT_TRUE(reader->StandsStill());
  ASSERT_TRUE(StageFrame(lane.writer(), 1, 10));
  EXPECT_TRUE(reader->StandsStill()) << "what is staged gets its time later";
  lane.writer().CommitStaged();
  EXPECT_FALSE(reader->StandsStill()) << "there is a frame";
  ASSERT_TRUE(reader->TryNext());
  EXPECT_TRUE(reader->StandsStill());
  Spoiler spoiler(lane);
  spoiler.lane_page().stamping.StoreRelaxed(1);
  EXPECT_FALSE(reader->StandsStill()) << "a writer that has stopped in the middle";
  spoiler.lane_page().stamping.StoreRelaxed(0);
  lane.writer().Close();
  EXPECT_FALSE(reader->StandsStill()) << "there is an end";
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
  EXPECT_FALSE(reader->StandsStill());
}

// The heart of merging: two mappings, two threads.
TEST(LaneTimestamp, AfterAStandstillNoFrameIsOlderThanTheClockBeforeTheBarrier) {
  TestLane lane({.segment_bytes = 16384, .capacity_bytes = 8 * 16384, .timestamps = true});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  if (!ProcessBarrier()) GTEST_SKIP() << "the kernel has no barrier between processes";
  LaneWriter& writer = lane.writer();
  constexpr uint64_t kFrames = 200'000;
  std::thread writing([&writer] {
    for (uint64_t i = 0; i < kFrames; ++i) {
      if (i % 16 == 0) {
        for (int pause = 0; pause < 200; ++pause)
          std::atomic_signal_fence(std::memory_order_seq_cst);
      }
      if (writer.WriteUntil(std::as_bytes(std::span(&i, 1)), Deadline::Infinite()) !=
          Refusal::kNone) {
        return;
      }
    }
    writer.Close();
  });
  uint64_t watermark = 0;
  uint64_t standstills = 0;
  uint64_t read = 0;
  uint64_t too_old = 0;
  while (true) {
    const FrameView frame = reader->TryNext();
    if (frame) {
      uint64_t number = 0;
      std::memcpy(&number, frame.data, sizeof(number));
      EXPECT_EQ(number, read);
      ++read;
      if (frame.timestamp_ns < watermark) ++too_old;
      continue;
    }
    if (frame.state == ReadState::kEnded || frame.state == ReadState::kDamaged) break;
    const uint64_t now = Now();
    if (!ProcessBarrier()) break;
    if (!reader->StandsStill()) continue;
    watermark = now;
    ++standstills;
  }
  writing.join();
  EXPECT_EQ(read, kFrames) << reader->status();
  EXPECT_EQ(too_old, 0u) << "of " << standstills << " standstills";
}

}  // namespace
}  // namespace causeway
