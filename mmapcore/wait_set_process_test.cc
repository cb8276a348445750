// Waiting, seen from outside: which system calls are made, and whether an event loop of one process
// hears of every frame of another.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/testing/subprocess.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_mode.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::RunInChild;
using ::causeway::testing::TestLane;

constexpr int kNoFilters = 77;

// From now on any system call but that of exiting kills the process.
bool ForbidSystemCalls() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Writes and reads, through many rolls and recycled segments.
bool Exchange(TestLane& lane, LaneReader& reader, uint64_t frames) {
  for (uint64_t number = 0; number < frames; ++number) {
    const Claim claim = lane.writer().TryClaim(24);
    if (!claim) return false;
    std::memcpy(claim.data, &number, sizeof(number));
    if (!lane.writer().Commit(24)) return false;
    if (!reader.TryNext()) return false;
  }
  return true;
}

TEST(SystemCalls, AWriterWithoutSleepingReadersAndABusyReaderMakeNone) {
  const auto body = [](bool call_one) {
    TestLane lane;
    const std::unique_ptr<LaneReader> reader = lane.Join(1);
    // Until every segment is mapped on both sides.
    if (!Exchange(lane, *reader, 10'000)) return 1;
    if (!ForbidSystemCalls()) return kNoFilters;
    if (call_one) getppid();
    // Not _exit(): before a call that does not return, AddressSanitizer makes one of its own.
    syscall(SYS_exit_group, Exchange(lane, *reader, 1'000'000) ? 0 : 2);
    return 3;
  };
  const std::string outcome = RunInChild([&] { return body(false); });
  if (outcome == "exit 77") GTEST_SKIP() << "this machine does not allow filters (seccomp)";
  EXPECT_EQ(outcome, "exit 0");
  // The filter does catch one.
  EXPECT_NE(RunInChild([&] { return body(true); }), "exit 0");
}

// A reader that now and then does nothing for a while.
void ReadLazily(LaneReader& reader) {
  for (uint64_t frames = 0;; ++frames) {
    while (!reader.TryNext()) std::this_thread::yield();
    if (frames % 4096 == 0) absl::SleepFor(absl::Milliseconds(1));
  }
}

TEST(SystemCalls, AWriterThatSpinsWhileItWaitsForRoomMakesNone) {
  const auto body = [](WaitMode mode) {
    TestLane lane({.initial_segments = 4, .wait_mode = mode});  // All that its capacity allows.
    const std::unique_ptr<LaneReader> reader = lane.Join(1);
    // Until every segment is mapped on both sides.
    if (!Exchange(lane, *reader, 10'000)) return 1;
    std::thread([&] { ReadLazily(*reader); }).detach();
    if (!ForbidSystemCalls()) return kNoFilters;
    const uint64_t waits_before = lane.writer().counters().segment_waits;
    bool written = true;
    for (int i = 0; i < 200'000 && written; ++i) {
      const Claim claim = lane.writer().ClaimUntil(24, Deadline::Infinite());
      written = claim && lane.writer().Commit(24);
    }
    const bool waited = lane.writer().counters().segment_waits > waits_before;
    syscall(SYS_exit_group, written && waited ? 0 : 2);
    return 3;
  };
  const std::string outcome = RunInChild([&] { return body(WaitMode::kSpin); });
  if (outcome == "exit 77") GTEST_SKIP() << "this machine does not allow filters (seccomp)";
  EXPECT_EQ(outcome, "exit 0");
  // The others sleep in the end.
  EXPECT_NE(RunInChild([&] { return body(WaitMode::kAdaptive); }), "exit 0");
  EXPECT_NE(RunInChild([&] { return body(WaitMode::kPark); }), "exit 0");
}

// The writer waits after each frame until it was read, so that every frame needs its own wake.
TEST(EventLoop, HearsOfEveryFrameOfAnotherProcess) {
  constexpr uint64_t kFrames = 2000;
  TestLane lane;
  lane.writer();
  const std::unique_ptr<LaneReader> reader = lane.Join(1);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const Deadline deadline = Deadline::After(absl::Seconds(100));
    for (uint64_t number = 0; number < kFrames; ++number) {
      const Claim claim = lane.writer().ClaimUntil(8, deadline);
      if (!claim) _exit(1);
      std::memcpy(claim.data, &number, sizeof(number));
      lane.writer().Commit(8);
      if (number % 3 != 0 && !lane.writer().DrainUntil(deadline)) _exit(2);
    }
    lane.writer().Close();
    _exit(0);
  }
  WaitSet set;
  set.Add(reader.get());
  const absl::StatusOr<int> descriptor = set.Descriptor();
  ASSERT_TRUE(descriptor.ok()) << descriptor.status();
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {.events = EPOLLIN, .data = {.fd = *descriptor}};
  ASSERT_EQ(epoll_ctl(loop, EPOLL_CTL_ADD, *descriptor, &event), 0);

  uint64_t expected = 0;
  uint64_t sleeps = 0;
  bool ended = false;
  while (!ended) {
    FrameView frame = reader->TryNext();
    for (; frame; frame = reader->TryNext()) {
      uint64_t number = 0;
      std::memcpy(&number, frame.data, sizeof(number));
      ASSERT_EQ(number, expected++);
    }
    ended = frame.state == ReadState::kEnded;
    if (ended) break;
    ASSERT_TRUE(set.Arm().ok());
    ++sleeps;
    // The time limit only ends a run that has failed.
    ASSERT_EQ(epoll_wait(loop, &event, 1, 60'000), 1) << expected;
    ASSERT_EQ(event.data.fd, *descriptor);
  }
  EXPECT_EQ(expected, kFrames);
  EXPECT_GT(sleeps, 0u);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  close(loop);
}

}  // namespace
}  // namespace causeway
