// Readers in processes of their own that are stopped (SIGSTOP) and resumed: under drop and evict
// nobody else notices, and they find out exactly what they have missed.

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <random>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/testing/numbered_lane.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::kLength;
using ::causeway::testing::NumberedLane;
using ::causeway::testing::Read;

constexpr absl::Duration kLong = absl::Seconds(60);

// What a child reports, in memory that parent and child share.
struct Report {
  std::atomic<uint64_t> seen{0};    // whole frames, in order
  std::atomic<uint64_t> missed{0};  // in gaps
  std::atomic<uint64_t> gaps{0};
  std::atomic<uint64_t> stale{0};    // frames that had been overwritten when they were let go of
  std::atomic<bool> holding{false};  // has a frame in its hands
  std::atomic<bool> go_on{false};
  std::atomic<bool> wrong{false};  // a frame that was no frame, or not the next one
  std::atomic<int> end{-1};        // ReadState
  std::atomic<int> code{-1};       // of the reader's status
};

class SharedReport {
 public:
  SharedReport()
      : report_(new(mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Report) {}
  ~SharedReport() { munmap(report_, sizeof(Report)); }
  Report* operator->() { return report_; }
  Report& operator*() { return *report_; }

 private:
  Report* report_;
};

class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(fork()) {
    if (pid_ != 0) return;
    body();
    _exit(0);
  }
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  // Returns once it is.
  void Stop() {
    kill(pid_, SIGSTOP);
    int status = 0;
    waitpid(pid_, &status, WUNTRACED);
    ASSERT_TRUE(WIFSTOPPED(status));
  }
  void Continue() { kill(pid_, SIGCONT); }
  void Wait() {
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

// Spins, politely, on what the other process does.
template <typename Condition>
bool Await(const Condition& condition) {
  const Deadline deadline = Deadline::After(kLong);
  while (!condition()) {
    if (deadline.HasPassed()) return false;
    sched_yield();
  }
  return true;
}

void ReadToTheEnd(LaneReader& reader, Report& report) {
  WaitSet waiting({.max_spin_nanos = 0});
  waiting.Add(&reader);
  uint64_t next = 0;
  while (true) {
    const FrameView frame = reader.TryNext();
    if (frame) {
      const bool right = frame.size == kLength && IsPatternFrame(next, frame.payload());
      if (!reader.Release()) {
        ++report.stale;
        continue;
      }
      if (!right) report.wrong = true;
      ++next;
      ++report.seen;
    } else if (frame.state == ReadState::kGap) {
      next += reader.gap().frames;
      report.missed += reader.gap().frames;
      ++report.gaps;
    } else if (frame.state == ReadState::kNothing || frame.state == ReadState::kNotJoined) {
      waiting.WaitUntil(Deadline::Infinite());
    } else {
      report.end = static_cast<int>(frame.state);
      report.code = static_cast<int>(reader.status().code());
      return;
    }
  }
}

// A lane of which one process has read 5 frames before it was stopped and, under `policy`, left
// behind by 3000 more.
class StoppedReaderLeftBehind : public ::testing::Test {
 protected:
  void LeaveBehind(ReaderPolicy policy) {
    left_ = lane.Join(1, {.policy = policy});
    block = lane.Join(2);
    child.emplace([&] { ReadToTheEnd(*left_, *report); });
    lane.Write(5);
    by_block.All(*block);
    ASSERT_TRUE(Await([&] { return report->seen == 5; }));
    child->Stop();
    // The writer never waits (Write() fails if it would), and the other reader sees everything.
    for (int i = 0; i < 1000; ++i) {
      lane.Write(3);
      by_block.All(*block);
    }
    EXPECT_EQ(lane.writer().counters().segment_waits, 0u);
    EXPECT_EQ(by_block.frames, 3005u);
    EXPECT_EQ(by_block.gaps, 0u);
    EXPECT_EQ(report->seen, 5u);
  }

  NumberedLane lane;
  std::unique_ptr<LaneReader> block;
  Read by_block;
  SharedReport report;
  std::optional<Child> child;

 private:
  std::unique_ptr<LaneReader> left_;
};

TEST_F(StoppedReaderLeftBehind, UnderDropIsToldExactlyWhatItMissed) {
  ASSERT_NO_FATAL_FAILURE(LeaveBehind(ReaderPolicy::kDrop));
  child->Continue();
  ASSERT_TRUE(Await([&] { return report->seen + report->missed == 3005; }));
  const uint64_t missed = report->missed;
  EXPECT_EQ(report->gaps, 1u);
  EXPECT_GT(missed, 2900u);
  // And it goes on in order.
  for (int i = 0; i < 10; ++i) {
    lane.Write(1);
    by_block.All(*block);
    ASSERT_TRUE(Await([&] { return report->seen + report->missed == lane.written(); }));
  }
  lane.CloseWriter();
  child->Wait();
  EXPECT_EQ(report->missed, missed);
  EXPECT_EQ(report->seen + missed, 3015u);
  EXPECT_FALSE(report->wrong);
  EXPECT_EQ(report->end, static_cast<int>(ReadState::kEnded));
}

TEST_F(StoppedReaderLeftBehind, UnderEvictIsCutWithATypedError) {
  ASSERT_NO_FATAL_FAILURE(LeaveBehind(ReaderPolicy::kEvict));
  child->Continue();
  child->Wait();
  EXPECT_EQ(report->seen, 5u);
  EXPECT_EQ(report->end, static_cast<int>(ReadState::kOutOfRange));
  EXPECT_EQ(report->code, static_cast<int>(absl::StatusCode::kOutOfRange));
  EXPECT_FALSE(report->wrong);
}

TEST(StoppedReader, WithAFrameInItsHandsFindsItStale) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, {.policy = ReaderPolicy::kDrop});
  lane.Write(2);
  SharedReport report;
  Child child([&] {
    const FrameView frame = reader->TryNext();
    report->wrong = !frame || !reader->StillValid(frame);
    report->holding = true;
    while (!report->go_on) {
    }
    if (reader->StillValid(frame)) report->wrong = true;
    if (reader->Release()) report->wrong = true;
    if (reader->TryNext().state != ReadState::kGap) report->wrong = true;
    if (reader->gap().begin != frame.position) report->wrong = true;
    report->missed = reader->gap().frames;
    while (reader->TryNext()) ++report->seen;
  });
  ASSERT_TRUE(Await([&] { return report->holding.load(); }));
  child.Stop();
  lane.Write(1000);
  report->go_on = true;
  child.Continue();
  child.Wait();
  EXPECT_FALSE(report->wrong);
  EXPECT_EQ(report->seen + report->missed, 1002u);
}

TEST(StoppedReader, AtAnyInstructionMissesWhatItIsTold) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  uint64_t gaps = 0;
  for (int round = 0; round < 40; ++round) {
    NumberedLane lane({.capacity_bytes = (4 + random() % 3) * 8192});
    std::unique_ptr<LaneReader> dropping = lane.Join(1, {.policy = ReaderPolicy::kDrop});
    std::unique_ptr<LaneReader> block = lane.Join(2);
    SharedReport report;
    Child child([&] { ReadToTheEnd(*dropping, *report); });
    Read by_block;
    for (int stops = 0; stops < 4; ++stops) {
      // It reads while this writes; then, somewhere, it stops.
      for (uint64_t i = random() % 60; i > 0; --i) {
        lane.Write(1);
        by_block.All(*block);
      }
      child.Stop();
      for (uint64_t i = random() % 100; i > 0; --i) {
        lane.Write(1);
        by_block.All(*block);
      }
      child.Continue();
    }
    lane.CloseWriter();
    child.Wait();
    ASSERT_FALSE(report->wrong);
    ASSERT_EQ(report->end, static_cast<int>(ReadState::kEnded));
    ASSERT_EQ(report->seen + report->missed, lane.written());
    ASSERT_EQ(by_block.frames, lane.written());
    gaps += report->gaps;
  }
  EXPECT_GT(gaps, 0u);
}

}  // namespace
}  // namespace causeway
