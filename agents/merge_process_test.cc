// Lanes of writers in processes of their own, merged while they come, stop, go and die.

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/testing/child_process.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gtest/gtest.h"
#include "mmapcore/process_barrier.h"

namespace causeway {
namespace {

// Ends a failed run only.
constexpr absl::Duration kLong = absl::Minutes(1);

class MergeProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ProcessBarrier()) GTEST_SKIP() << "the kernel has no barrier between processes";
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = "reader";
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
    ReaderOptions reading;
    // Little room, so that writers are never far ahead.
    reading.stream = {.segment_bytes = 16384, .capacity_bytes = 65536, .timestamps = true};
    reading.merge = Merge::kTimestamp;
    absl::StatusOr<std::unique_ptr<Reader>> reader = agent_->OpenReader("s", reading);
    ASSERT_TRUE(reader.ok()) << reader.status();
    reader_ = *std::move(reader);
  }

  std::unique_ptr<ChildProcess> StartWriter(const std::string& name) {
    auto peer = std::make_unique<ChildProcess>(
        std::vector<std::string>{TestProgram("agents/testing/agent_peer")});
    EXPECT_EQ(peer->Ask("attach " + coordinator_.dir() + " " + name).substr(0, 2), "ok");
    EXPECT_EQ(peer->Ask("stamp_to s"), "ok");
    return peer;
  }

  // Reads one frame, and checks its place among all frames and among its lane's. False: something
  // else came.
  bool ReadOne() {
    const absl::StatusOr<Delivery> next = reader_->Next(kLong);
    if (!next.ok()) {
      ADD_FAILURE() << next.status();
      return false;
    }
    if (next->kind == Delivery::Kind::kEnded) {
      end_ = next->end_cause;
      return false;
    }
    if (next->kind != Delivery::Kind::kFrame) {
      ADD_FAILURE() << "kind " << static_cast<int>(next->kind) << ", " << next->loss;
      return false;
    }
    const Frame& frame = next->frame;
    const std::pair<uint64_t, uint64_t> key = {frame.timestamp_ns, frame.lane_id};
    if (frame.late) {
      EXPECT_LT(key, last_);
      late_.insert(frame.lane_id);
    } else {
      EXPECT_GT(std::make_pair(key, frame.position), std::make_pair(last_, last_position_));
      last_ = key;
      last_position_ = frame.position;
    }
    const std::optional<uint64_t> number = CheckPattern(frame.payload);
    EXPECT_TRUE(number.has_value());
    const auto [lane, is_new] = next_.try_emplace(frame.lane_id, number.value_or(0));
    EXPECT_EQ(number.value_or(0), lane->second);
    ++lane->second;
    ++frames_;
    return true;
  }

  void ReadUntil(uint64_t frames) {
    while (frames_ < frames && !HasFailure()) {
      // All of them may have closed, before others open.
      if (ReadOne()) continue;
      ASSERT_TRUE(reader_->WaitForWriter(kLong).ok());
    }
    ASSERT_EQ(frames_, frames);
  }

  CoordinatorProcess coordinator_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Reader> reader_;
  std::pair<uint64_t, uint64_t> last_;
  uint64_t last_position_ = 0;
  std::map<uint64_t, uint64_t> next_;  // number, by lane
  std::set<uint64_t> late_;            // lanes that had late frames
  uint64_t frames_ = 0;
  std::optional<EndCause> end_;
};

TEST_F(MergeProcessTest, WritersComeAndGo) {
  constexpr int kWriters = 3;
  constexpr int kLives = 4;
  constexpr int kFrames = 2000;
  std::vector<std::unique_ptr<ChildProcess>> writers;
  for (int i = 0; i < kWriters; ++i) writers.push_back(StartWriter("writer"));
  for (const auto& writer : writers) {
    for (int life = 0; life < kLives; ++life) {
      if (life > 0) writer->Send("stamp_to s");
      writer->Send("write " + std::to_string(kFrames) + " 64 0");
      writer->Send("close");
    }
  }
  ReadUntil(uint64_t{kWriters} * kLives * kFrames);
  EXPECT_EQ(next_.size(), size_t{kWriters * kLives});
  for (const auto& [lane, next] : next_) EXPECT_EQ(next, uint64_t{kFrames}) << lane;
  for (const auto& writer : writers) {
    for (int answers = 0; answers < 3 * kLives - 1; ++answers) EXPECT_EQ(writer->ReadLine(), "ok");
  }
  EXPECT_FALSE(ReadOne());
  EXPECT_EQ(end_, EndCause::kClosed);
  EXPECT_EQ(reader_->counters().frames, frames_);
}

TEST_F(MergeProcessTest, AStoppedWriterHoldsNobodyUpForLong) {
  constexpr uint64_t kFrames = 20'000;
  constexpr uint64_t kStops = 15;
  std::vector<std::unique_ptr<ChildProcess>> writers;
  for (int i = 0; i < 3; ++i) writers.push_back(StartWriter("writer"));
  for (const auto& writer : writers) writer->Send("write " + std::to_string(kFrames) + " 64 0");
  for (uint64_t stop = 0; stop < kStops; ++stop) {
    ReadUntil(frames_ + 777);
    ChildProcess& stopped = *writers[stop % writers.size()];
    stopped.Signal(SIGSTOP);
    stopped.AwaitStop();
    // More than it can have committed before: the others' come nevertheless.
    ReadUntil(frames_ + 999);
    stopped.Signal(SIGCONT);
  }
  ReadUntil(3 * kFrames);
  for (const auto& writer : writers) EXPECT_EQ(writer->ReadLine(), "ok");
}

TEST_F(MergeProcessTest, AKilledWriterLeavesTheMerge) {
  constexpr uint64_t kFrames = 20'000;
  std::vector<std::unique_ptr<ChildProcess>> writers;
  for (int i = 0; i < 3; ++i) writers.push_back(StartWriter("writer"));
  writers[0]->Send("flood 64");
  EXPECT_EQ(writers[0]->ReadLine(), "ok");
  for (int i = 1; i < 3; ++i) writers[i]->Send("write " + std::to_string(kFrames) + " 64 0");
  ReadUntil(5000);
  // It may have had no processor yet.
  while (next_.size() < 3 && !HasFailure()) ReadUntil(frames_ + 1);
  writers[0]->Kill();
  for (int i = 1; i < 3; ++i) writers[i]->Send("close");
  while (ReadOne()) {
  }
  EXPECT_EQ(end_, EndCause::kDied);
  EXPECT_EQ(next_.size(), 3u);
  int whole = 0;
  for (const auto& [lane, next] : next_) whole += next == kFrames ? 1 : 0;
  EXPECT_GE(whole, 2);
}

TEST_F(MergeProcessTest, AStreamWithoutTimestampsIsRefused) {
  ASSERT_TRUE(agent_->OpenWriter("plain").ok());
  ReaderOptions reading;
  reading.merge = Merge::kTimestamp;
  const absl::Status status = agent_->OpenReader("plain", reading).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(agent_->OpenReader("plain").ok());
}

}  // namespace
}  // namespace causeway
