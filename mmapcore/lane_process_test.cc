// Two processes and sudden death: SIGKILL at any instruction of one leaves the other with whole
// frames, and going on.

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::PatternFrame;
using ::causeway::testing::TestLane;

// A child that runs `body`, until it is killed.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(fork()) {
    if (pid_ != 0) return;
    body();
    _exit(0);
  }
  ~Child() { Kill(); }

  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }

  void Wait() {
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

size_t LengthOf(uint64_t number) { return 8 + number * 2654435761 % 1500; }

// The payload of every frame is its number and bytes that follow from it.
void Fill(const Claim& claim, uint64_t number) {
  std::memcpy(claim.data, &number, 8);
  const std::vector<std::byte> rest = PatternFrame(number, claim.length - 8);
  std::copy(rest.begin(), rest.end(), claim.data + 8);
}

bool IsWhole(const FrameView& frame, uint64_t number) {
  uint64_t found = 0;
  if (frame.size != LengthOf(number)) return false;
  std::memcpy(&found, frame.data, 8);
  return found == number && IsPatternFrame(number, frame.payload().subspan(8));
}

void WriteForEver(TestLane& lane) {
  for (uint64_t number = 0;; ++number) {
    const Claim claim = lane.writer().ClaimUntil(LengthOf(number), Deadline::Infinite());
    if (!claim) return;
    Fill(claim, number);
    lane.writer().Commit(claim.length);
  }
}

// Runs `step` in a child that is killed after `instructions` instructions of it (of user space), or
// not at all. Returns how many it has executed, and whether it was through with it.
struct SteppedRun {
  int64_t instructions = 0;
  bool through = false;
};

SteppedRun RunStepped(int64_t instructions, const std::function<void()>& prepare,
                      const std::function<void()>& step) {
  const pid_t pid = fork();
  if (pid == 0) {
    prepare();
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    step();
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFSTOPPED(status)) std::abort();
  SteppedRun run;
  for (; run.instructions < instructions && WIFSTOPPED(status); ++run.instructions) {
    ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr);
    waitpid(pid, &status, 0);
  }
  run.through = WIFEXITED(status);
  if (run.through) return run;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return run;
}

// A build with sanitizers executes many times the instructions, and each kill steps through all
// those before it: there, not every one is tried.
constexpr int64_t kMostSteps = 500'000;

// Kills a writer at instruction after instruction of writing one frame after `written` ones.
void KillWriterAtEachInstruction(uint64_t written, uint64_t length) {
  int64_t stride = 0;  // The first run goes through, and is counted.
  int64_t instructions = INT64_MAX;
  bool was_first = false;
  while (!was_first) {
    TestLane lane;
    std::unique_ptr<LaneReader> reader = lane.OpenReader(1);
    const SteppedRun run = RunStepped(
        instructions,
        [&] {
          lane.Admit(1);
          for (uint64_t i = 0; i < written; ++i) {
            if (lane.writer().TryWrite(PatternFrame(i, length)) != Refusal::kNone) std::abort();
          }
        },
        [&, payload = PatternFrame(written, length)] { lane.writer().TryWrite(payload); });
    SCOPED_TRACE(absl::StrCat("after ", run.instructions, " instructions"));
    reader->SetWriterGone(LaneEnd::kWriterDied);
    uint64_t frames = 0;
    FrameView frame;
    while ((frame = reader->TryNext())) {
      ASSERT_EQ(frame.size, length);
      ASSERT_TRUE(IsPatternFrame(frames, frame.payload()));
      ++frames;
    }
    ASSERT_EQ(frame.state, ReadState::kEnded) << reader->status();
    ASSERT_EQ(reader->end(), LaneEnd::kWriterDied);
    // The frame is there or not; those before it are.
    ASSERT_TRUE(frames == written || frames == written + 1) << frames;
    was_first = run.instructions == 0;
    if (was_first) {
      ASSERT_EQ(frames, written);
    }
    if (run.through) {
      ASSERT_EQ(frames, written + 1);
    }
    if (stride == 0) {
      ASSERT_TRUE(run.through);
      stride = 1 + run.instructions * run.instructions / (2 * kMostSteps);
      ASSERT_GT(run.instructions / stride, 20);
    }
    instructions = std::max<int64_t>(0, run.instructions - stride);
  }
}

TEST(LaneProcesses, AWriterMayBeKilledAtAnyInstructionOfACommit) {
  KillWriterAtEachInstruction(1, 64);
}

TEST(LaneProcesses, AWriterMayBeKilledAtAnyInstructionOfARoll) {
  // Four frames of 1000 bytes fill the first segment; the second one is at hand.
  KillWriterAtEachInstruction(4, 1000);
}

TEST(LaneProcesses, AReaderSeesWholeFramesOrNothingOfAWriterThatIsKilled) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 150; ++round) {
    TestLane lane({.capacity_bytes = (4 + random() % 3) * 8192});
    std::unique_ptr<LaneReader> reader = lane.OpenReader(1);
    WaitSet waiting({.max_spin_nanos = round % 2 == 0 ? 0 : 20'000});
    waiting.Add(reader.get());
    const Deadline deadline = Deadline::After(absl::Seconds(30));
    Child writer([&] {
      lane.Admit(1);
      WriteForEver(lane);
    });
    uint64_t expected = 0;
    const uint64_t kill_after = random() % 300;
    bool killed = false;
    while (true) {
      if (!killed && expected >= kill_after) {
        // At some instruction: the writer runs freely all the while.
        for (uint64_t delay = random() % 20000; delay > 0; --delay) asm volatile("");
        writer.Kill();
        reader->SetWriterGone(LaneEnd::kWriterDied);
        killed = true;
      }
      const FrameView frame = reader->TryNext();
      if (frame) {
        ASSERT_TRUE(IsWhole(frame, expected)) << expected;
        ++expected;
        continue;
      }
      ASSERT_NE(frame.state, ReadState::kDamaged) << reader->status();
      if (frame.state == ReadState::kEnded) break;
      ASSERT_NE(waiting.WaitUntil(deadline), WaitResult::kTimedOut);
    }
    EXPECT_EQ(reader->end(), LaneEnd::kWriterDied);
    EXPECT_GE(expected, kill_after);
  }
}

TEST(LaneProcesses, AWriterGoesOnWhenAReaderThatWasKilledIsDismissed) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 100; ++round) {
    TestLane lane;
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    std::unique_ptr<LaneReader> survivor = lane.Join(2);
    Child child([&] {
      WaitSet waiting({.max_spin_nanos = 0});
      waiting.Add(reader.get());
      while (true) {
        while (reader->TryNext()) {
        }
        waiting.WaitUntil(Deadline::Infinite());
      }
    });
    const Deadline deadline = Deadline::After(absl::Seconds(30));
    uint64_t read = 0;
    const uint64_t kill_at = random() % 200;
    for (uint64_t number = 0; number < 300; ++number) {
      if (number == kill_at) {
        for (uint64_t delay = random() % 20000; delay > 0; --delay) asm volatile("");
        child.Kill();
        lane.Dismiss(1);
      }
      const Claim claim = lane.writer().ClaimUntil(LengthOf(number), deadline);
      ASSERT_TRUE(claim) << number;
      Fill(claim, number);
      ASSERT_TRUE(lane.writer().Commit(claim.length));
      const FrameView frame = survivor->TryNext();
      ASSERT_TRUE(frame);
      ASSERT_TRUE(IsWhole(frame, read++));
    }
  }
}

// Both sleep at each handoff, and the barrier works across processes.
TEST(LaneProcesses, WakeEachOther) {
  constexpr uint64_t kHandoffs = 3000;
  TestLane there;
  TestLane back;
  std::unique_ptr<LaneReader> pinged = there.Join(1);
  std::unique_ptr<LaneReader> ponged = back.Join(1);
  const Deadline deadline = Deadline::After(absl::Seconds(60));
  const auto receive = [&](LaneReader& reader, WaitSet& waiting) {
    while (!reader.TryNext()) {
      if (waiting.WaitUntil(deadline) == WaitResult::kTimedOut) return false;
    }
    return true;
  };
  Child child([&] {
    WaitSet waiting({.max_spin_nanos = 0});
    waiting.Add(pinged.get());
    for (uint64_t i = 0; i < kHandoffs && receive(*pinged, waiting); ++i) {
      if (back.writer().ClaimUntil(8, deadline)) back.writer().Commit(8);
    }
  });
  WaitSet waiting({.max_spin_nanos = 0});
  waiting.Add(ponged.get());
  for (uint64_t i = 0; i < kHandoffs; ++i) {
    ASSERT_TRUE(there.writer().ClaimUntil(8, deadline));
    ASSERT_TRUE(there.writer().Commit(8));
    ASSERT_TRUE(receive(*ponged, waiting)) << i;
  }
  child.Wait();
  EXPECT_GT(waiting.parks(), 0u);
  EXPECT_EQ(there.writer().counters().frames, kHandoffs);
}

}  // namespace
}  // namespace causeway
