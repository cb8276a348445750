// Hands a frame to and fro between two processes that sleep at each step, and looks for the longest
// wait: a wake that is lost shows as a stall.
//
//   bazel run -c opt //mmapcore:wake_stress -- --handoffs=100000000
//
// Flags: --handoffs=N; --mode=park, adaptive or spin; --max_stall_ms=N (0: any). Exits with 1 if a
// frame is lost or a wait is longer. With --idle_seconds=N and --lanes=N it shows instead what
// waiting costs while nothing comes.

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_mode.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::TestLane;

struct Flags {
  uint64_t handoffs = 100'000'000;
  WaitMode mode = WaitMode::kPark;
  int64_t max_stall_ms = 100;
  int64_t idle_seconds = 0;
  uint64_t lanes = 1;
};

// Of one side; in memory that both processes have.
struct Side {
  std::atomic<int64_t> longest_nanos{0};
  std::atomic<uint64_t> parks{0};
  std::atomic<uint64_t> rings{0};
  std::atomic<bool> done{false};
};

bool Send(LaneWriter& writer, uint64_t number) {
  const Claim claim = writer.ClaimUntil(sizeof(number), Deadline::After(absl::Seconds(60)));
  if (!claim) return false;
  std::memcpy(claim.data, &number, sizeof(number));
  return writer.Commit(sizeof(number));
}

// False: the wrong frame came, or none.
bool Receive(LaneReader& reader, WaitSet& set, uint64_t number, Side& side) {
  FrameView frame = reader.TryNext();
  if (!frame) {
    const int64_t begin = Deadline::NowNanos();
    const Deadline deadline = Deadline::After(absl::Seconds(60));
    while (!(frame = reader.TryNext())) {
      if (set.WaitUntil(deadline) == WaitResult::kTimedOut) return false;
    }
    side.longest_nanos.store(std::max(side.longest_nanos.load(), Deadline::NowNanos() - begin));
  }
  uint64_t found = 0;
  std::memcpy(&found, frame.data, sizeof(found));
  return found == number;
}

void PingPong(const Flags& flags, bool first, LaneWriter& writer, LaneReader& reader, Side& side) {
  WaitSet set({.mode = flags.mode});
  set.Add(&reader);
  const uint64_t rounds = flags.handoffs / 2;
  const uint64_t per_line = std::max<uint64_t>(rounds / 20, 1);
  const int64_t begin = Deadline::NowNanos();
  for (uint64_t round = 0; round < rounds; ++round) {
    if (first && !Send(writer, round)) return;
    if (!Receive(reader, set, round, side)) {
      std::fprintf(stderr, "frame %lu did not come\n", static_cast<unsigned long>(round));
      return;
    }
    if (!first && !Send(writer, round)) return;
    if (first && (round + 1) % per_line == 0) {
      std::printf("%lu handoffs, %.1f s, longest wait %.3f ms\n",
                  static_cast<unsigned long>(2 * (round + 1)),
                  static_cast<double>(Deadline::NowNanos() - begin) * 1e-9,
                  static_cast<double>(side.longest_nanos.load()) * 1e-6);
      std::fflush(stdout);
    }
  }
  side.parks.store(set.parks());
  side.rings.store(writer.counters().rings);
  side.done.store(true);
}

int Run(const Flags& flags) {
  void* const shared =
      mmap(nullptr, 2 * sizeof(Side), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  Side* const sides = new (shared) Side[2];
  TestLane there;
  TestLane back;
  there.writer();
  back.writer();
  const std::unique_ptr<LaneReader> pinged = there.Join(1);
  const std::unique_ptr<LaneReader> ponged = back.Join(1);
  const pid_t child = fork();
  if (child == 0) {
    PingPong(flags, /*first=*/false, back.writer(), *pinged, sides[1]);
    _exit(0);
  }
  PingPong(flags, /*first=*/true, there.writer(), *ponged, sides[0]);
  waitpid(child, nullptr, 0);
  const int64_t longest = std::max(sides[0].longest_nanos.load(), sides[1].longest_nanos.load());
  std::printf("parks %lu and %lu, rings %lu and %lu, longest wait %.3f ms\n",
              static_cast<unsigned long>(sides[0].parks.load()),
              static_cast<unsigned long>(sides[1].parks.load()),
              static_cast<unsigned long>(sides[0].rings.load()),
              static_cast<unsigned long>(sides[1].rings.load()),
              static_cast<double>(longest) * 1e-6);
  if (!sides[0].done.load() || !sides[1].done.load()) return 1;
  if (flags.max_stall_ms > 0 && longest > flags.max_stall_ms * 1'000'000) {
    std::printf("a wait was longer than %ld ms\n", static_cast<long>(flags.max_stall_ms));
    return 1;
  }
  return 0;
}

double ProcessorSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const timeval times[] = {usage.ru_utime, usage.ru_stime};
  double seconds = 0;
  for (const timeval& time : times) {
    seconds += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  }
  return seconds;
}

int Idle(const Flags& flags) {
  std::vector<std::unique_ptr<TestLane>> lanes;
  std::vector<std::unique_ptr<LaneReader>> readers;
  WaitSet set({.mode = flags.mode});
  for (uint64_t i = 0; i < flags.lanes; ++i) {
    lanes.push_back(std::make_unique<TestLane>());
    readers.push_back(lanes.back()->Join(1));
    readers.back()->TryNext();
    set.Add(readers.back().get());
  }
  const double before = ProcessorSeconds();
  set.WaitUntil(Deadline::After(absl::Seconds(flags.idle_seconds)));
  const double used = ProcessorSeconds() - before;
  std::printf("%lu idle lanes: %.3f %% of a core, %lu sleeps in %ld s\n",
              static_cast<unsigned long>(flags.lanes),
              100 * used / static_cast<double>(flags.idle_seconds),
              static_cast<unsigned long>(set.parks()), static_cast<long>(flags.idle_seconds));
  return 0;
}

bool Parse(int argc, char** argv, Flags& flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = argument.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view name = argument.substr(0, equals);
    const std::string_view value = argument.substr(equals + 1);
    if (name == "--handoffs") {
      flags.handoffs = std::strtoull(value.data(), nullptr, 10);
    } else if (name == "--max_stall_ms") {
      flags.max_stall_ms = std::strtoll(value.data(), nullptr, 10);
    } else if (name == "--idle_seconds") {
      flags.idle_seconds = std::strtoll(value.data(), nullptr, 10);
    } else if (name == "--lanes") {
      flags.lanes = std::strtoull(value.data(), nullptr, 10);
    } else if (name == "--mode" && value == "park") {
      flags.mode = WaitMode::kPark;
    } else if (name == "--mode" && value == "adaptive") {
      flags.mode = WaitMode::kAdaptive;
    } else if (name == "--mode" && value == "spin") {
      flags.mode = WaitMode::kSpin;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) {
  causeway::Flags flags;
  if (!causeway::Parse(argc, argv, flags)) {
    std::fprintf(stderr,
                 "usage: wake_stress [--handoffs=N] [--mode=park|adaptive|spin] "
                 "[--max_stall_ms=N] [--idle_seconds=N] [--lanes=N]\n");
    return 2;
  }
  return flags.idle_seconds > 0 ? causeway::Idle(flags) : causeway::Run(flags);
}
