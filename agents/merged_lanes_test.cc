#include "agents/merged_lanes.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapping.h"
#include "mmapcore/process_barrier.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_mode.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::TestLane;

// Ends a failed run only.
constexpr absl::Duration kLong = absl::Seconds(60);

// Lanes 1 to `count`, each with one reader, and a merge of them.
class MergedLanesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ProcessBarrier()) GTEST_SKIP() << "the kernel has no barrier between processes";
  }

  void MakeLanes(uint64_t count, absl::Duration patience = kLong,
                 ReaderPolicy policy = ReaderPolicy::kBlock) {
    merged_ = std::make_unique<MergedLanes>(patience, WaitMode::kAdaptive);
    for (uint64_t id = 1; id <= count; ++id) AddLane(id, policy);
  }

  void AddLane(uint64_t id, ReaderPolicy policy = ReaderPolicy::kBlock) {
    lanes_[id] = std::make_unique<TestLane>(
        testing::TestLaneOptions{.segment_bytes = 16384,
                                 .capacity_bytes = 8 * 16384,
                                 .timestamps = true,
                                 .identity = {.stream_id = 11, .lane_id = id, .epoch = 1}});
    readers_[id] = lanes_[id]->Join(1, {.policy = policy});
    merged_->Add(readers_[id].get(), id);
  }

  LaneWriter& writer(uint64_t id) { return lanes_.at(id)->writer(); }

  void Write(uint64_t id, uint64_t number, size_t length = 8) {
    const Claim claim = writer(id).TryClaim(length);
    ASSERT_TRUE(claim);
    std::memcpy(claim.data, &number, sizeof(number));
    ASSERT_TRUE(writer(id).Commit(length));
  }

  // What comes next: "lane:number", with "late" if it is; or "", or what a lane says.
  std::string Next() {
    const MergedLanes::Found found = merged_->TryNext();
    if (found.reader == nullptr) return "";
    const std::string lane = std::to_string(found.reader->options().identity.lane_id);
    switch (found.frame.state) {
      case ReadState::kFrame: {
        uint64_t number = 0;
        std::memcpy(&number, found.frame.data, sizeof(number));
        return lane + ":" + std::to_string(number) + (found.late ? " late" : "");
      }
      case ReadState::kGap:
        return lane + ": gap of " + std::to_string(found.reader->gap().frames);
      case ReadState::kEnded:
        merged_->Remove(found.reader);
        return lane + ": end";
      default:
        return lane + ": ?";
    }
  }

  // The same, once there is something.
  std::string Await() {
    const Deadline deadline = Deadline::After(kLong);
    while (!deadline.HasPassed()) {
      const std::string next = Next();
      if (!next.empty()) return next;
      if (merged_->holds_back()) merged_->WaitUntil(deadline);
    }
    return "(deadline)";
  }

  // As a writer would, that is stopped in the middle of a commit, or goes on.
  void SetStamping(uint64_t id, uint32_t value) {
    Mapping writable = *Mapping::Map(lanes_.at(id)->lane_file(), TestLane::kLanePageOffset,
                                     kHeaderPageBytes, {.protection = Protection::kReadWrite});
    PageAt<LanePage>(writable.mutable_data()).stamping.StoreRelease(value);
  }

  std::map<uint64_t, std::unique_ptr<TestLane>> lanes_;
  std::map<uint64_t, std::unique_ptr<LaneReader>> readers_;
  std::unique_ptr<MergedLanes> merged_;
};

TEST_F(MergedLanesTest, GivesFramesInTheOrderInWhichTheyWereCommitted) {
  MakeLanes(3);
  Write(2, 0);
  Write(1, 1);
  Write(3, 2);
  Write(1, 3);
  Write(2, 4);
  EXPECT_EQ(Next(), "2:0");
  EXPECT_EQ(Next(), "1:1");
  EXPECT_EQ(Next(), "3:2");
  EXPECT_EQ(Next(), "1:3");
  EXPECT_EQ(Next(), "2:4");
  EXPECT_EQ(Next(), "");
  EXPECT_FALSE(merged_->holds_back());
}

TEST_F(MergedLanesTest, ExecutesNoBarrierWhileEveryLaneHasAFrameOrNoneHas) {
  MakeLanes(2);
  EXPECT_EQ(Next(), "");
  EXPECT_EQ(merged_->barriers(), 0u);
  for (uint64_t i = 0; i < 10; ++i) Write(1 + i % 2, i);
  for (uint64_t i = 0; i < 9; ++i) EXPECT_NE(Next(), "");
  EXPECT_EQ(merged_->barriers(), 0u);
  EXPECT_EQ(Next(), "2:9");
  EXPECT_EQ(merged_->barriers(), 1u) << "lane 1 was idle";
}

TEST_F(MergedLanesTest, OneBarrierServesForAllThatIsOlder) {
  MakeLanes(20);
  for (uint64_t i = 0; i < 50; ++i) Write(7, i);
  for (uint64_t i = 0; i < 50; ++i) EXPECT_EQ(Next(), "7:" + std::to_string(i));
  EXPECT_EQ(merged_->barriers(), 1u);
}

TEST_F(MergedLanesTest, WaitsForAWriterInTheMiddleOfACommit) {
  MakeLanes(2);
  SetStamping(2, 1);
  Write(1, 0);
  EXPECT_EQ(Next(), "");
  EXPECT_EQ(Next(), "");
  EXPECT_TRUE(merged_->holds_back());
  std::thread commits([this] { Write(2, 1); });
  // The commit that ends is later than the frame that waited for it.
  EXPECT_EQ(Await(), "1:0");
  EXPECT_EQ(Await(), "2:1");
  commits.join();
}

TEST_F(MergedLanesTest, GoesOnWithoutAStoppedWriterAfterItsPatience) {
  MakeLanes(2, /*patience=*/absl::Milliseconds(1));
  SetStamping(2, 1);
  Write(1, 0);
  EXPECT_EQ(Await(), "1:0");
  Write(1, 1);
  EXPECT_EQ(Await(), "1:1") << "and does not wait for it again";
}

TEST_F(MergedLanesTest, AFrameOfALaneThatItDidNotKnowOfIsLate) {
  MakeLanes(1);
  testing::TestLaneOptions options{.timestamps = true,
                                   .identity = {.stream_id = 11, .lane_id = 2, .epoch = 1}};
  lanes_[2] = std::make_unique<TestLane>(options);
  Write(2, 0);
  Write(1, 1);
  EXPECT_EQ(Next(), "1:1");
  readers_[2] = lanes_[2]->OpenReader(1);
  merged_->Add(readers_[2].get(), 2);
  Write(1, 2);
  EXPECT_EQ(Next(), "") << "what the new lane has must be known first";
  lanes_[2]->Admit(1);
  EXPECT_EQ(Next(), "2:0 late");
  EXPECT_EQ(Next(), "1:2");
  Write(2, 3);
  EXPECT_EQ(Next(), "2:3");
}

TEST_F(MergedLanesTest, LanesEndInTheirPlace) {
  MakeLanes(2);
  Write(1, 0);
  Write(2, 1);
  lanes_.at(1)->CloseWriter();
  EXPECT_EQ(Next(), "1:0");
  EXPECT_EQ(Next(), "1: end");
  EXPECT_EQ(Next(), "2:1");
  readers_.at(2)->SetWriterGone(LaneEnd::kWriterDied);
  EXPECT_EQ(Next(), "2: end");
  EXPECT_EQ(Next(), "");
}

TEST_F(MergedLanesTest, AWriterThatDiedInTheMiddleOfACommitIsNotWaitedForOnceThatIsKnown) {
  MakeLanes(2);
  SetStamping(2, 1);
  Write(1, 0);
  EXPECT_EQ(Next(), "");
  readers_.at(2)->SetWriterGone(LaneEnd::kWriterDied);
  EXPECT_EQ(Next(), "2: end");
  EXPECT_EQ(Next(), "1:0");
}

TEST_F(MergedLanesTest, GapsAreToldInTheirPlace) {
  MakeLanes(2, kLong, ReaderPolicy::kDrop);
  EXPECT_EQ(Next(), "");
  Write(1, 0, 3000);
  Write(1, 1, 3000);
  Write(2, 0, 3000);
  EXPECT_EQ(Next(), "1:0");
  EXPECT_EQ(Next(), "1:1");
  EXPECT_TRUE(readers_.at(1)->Release());
  for (uint64_t i = 2; i < 100; ++i) Write(1, i, 3000);
  const std::string gap = Next();
  ASSERT_EQ(gap.substr(0, 10), "1: gap of ");
  EXPECT_EQ(Next(), "2:0");
  for (uint64_t i = 2 + std::stoull(gap.substr(10)); i < 100; ++i) {
    EXPECT_EQ(Next(), "1:" + std::to_string(i));
  }
  EXPECT_EQ(Next(), "");
}

TEST_F(MergedLanesTest, AFrameThatIsOverwrittenWhileItIsHeldIsPartOfTheGap) {
  MakeLanes(2, kLong, ReaderPolicy::kDrop);
  EXPECT_EQ(Next(), "");
  Write(2, 0, 3000);
  Write(1, 0, 3000);
  Write(2, 1, 3000);
  EXPECT_EQ(Next(), "2:0");
  EXPECT_EQ(Next(), "1:0");  // 2:1 is in hand now.
  for (uint64_t i = 2; i < 100; ++i) Write(2, i, 3000);
  const std::string gap = Next();
  ASSERT_EQ(gap.substr(0, 10), "2: gap of ");
  EXPECT_EQ(Next(), "2:" + std::to_string(1 + std::stoull(gap.substr(10))));
}

// Writers that pause and go on, readers that come upon them in every state: the order is strict.
TEST_F(MergedLanesTest, OrderIsStrictUnderStress) {
  constexpr uint64_t kLanes = 3;
  constexpr uint64_t kFrames = 60'000;
  MakeLanes(kLanes);
  std::vector<std::thread> writers;
  for (uint64_t id = 1; id <= kLanes; ++id) {
    LaneWriter& out = writer(id);
    writers.emplace_back([id, &out] {
      uint64_t state = id;
      for (uint64_t i = 0; i < kFrames; ++i) {
        state = state * 6364136223846793005 + 1442695040888963407;
        // Mostly at once, now and then after a while: lanes are idle in turns.
        const uint64_t pauses = state >> 58 == 0 ? state >> 50 & 0xFFF : 0;
        for (uint64_t p = 0; p < pauses; ++p) std::atomic_signal_fence(std::memory_order_seq_cst);
        const Claim claim = out.ClaimUntil(sizeof(i), Deadline::Infinite());
        if (!claim) return;
        std::memcpy(claim.data, &i, sizeof(i));
        if (state >> 40 & 1) {
          out.Commit(sizeof(i));
        } else {
          out.Stage(sizeof(i));
        }
      }
      out.Close();
    });
  }
  std::map<const LaneReader*, uint64_t> next;
  std::tuple<uint64_t, uint64_t> last;
  uint64_t out_of_order = 0;
  uint64_t frames = 0;
  uint64_t ended = 0;
  WaitSet wait;
  for (auto& [id, reader] : readers_) wait.Add(reader.get());
  while (ended < kLanes) {
    const MergedLanes::Found found = merged_->TryNext();
    if (found.reader == nullptr) {
      if (merged_->holds_back()) {
        merged_->WaitUntil(Deadline::Infinite());
      } else {
        wait.WaitUntil(Deadline::Infinite());
      }
      continue;
    }
    if (!found.frame) {
      ASSERT_EQ(found.frame.state, ReadState::kEnded) << found.reader->status();
      merged_->Remove(found.reader);
      wait.Remove(found.reader);
      ++ended;
      continue;
    }
    uint64_t number = 0;
    std::memcpy(&number, found.frame.data, sizeof(number));
    EXPECT_EQ(number, next[found.reader]++);
    const std::tuple<uint64_t, uint64_t> key = {found.frame.timestamp_ns,
                                                found.reader->options().identity.lane_id};
    if (found.late || key < last) ++out_of_order;
    last = key;
    ++frames;
  }
  for (std::thread& thread : writers) thread.join();
  EXPECT_EQ(frames, kLanes * kFrames);
  EXPECT_EQ(out_of_order, 0u) << "with " << merged_->barriers() << " barriers";
}

}  // namespace
}  // namespace causeway
