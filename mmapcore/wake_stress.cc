// Hands a frame to and fro between two processes that sleep at each step, and looks for the longest
// wait: a wake that is lost shows as a stall.
//
//   bazel run -c opt //mmapcore:wake_stress -- --handoffs=100000000
//
// --help has the flags. With --idle_seconds it shows instead what waiting costs while nothing
// comes.

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_mode.h"
#include "mmapcore/wait_set.h"
#include "tests/console/flags.h"

namespace causeway {
namespace {

using ::causeway::testing::TestLane;

struct Flags {
  uint64_t handoffs = 100'000'000;
  int64_t seconds = 0;
  uint64_t kill_every = 0;
  uint64_t seed = 1;
  WaitMode mode = WaitMode::kPark;
  int64_t max_stall_ms = 100;
  int64_t idle_seconds = 0;
  uint64_t lanes = 1;
};

// Sent in the place of a number when the time is over.
constexpr uint64_t kNoMore = ~uint64_t{0};

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

// The number that came; nothing if none did.
std::optional<uint64_t> Receive(LaneReader& reader, WaitSet& set, Side& side) {
  FrameView frame = reader.TryNext();
  if (!frame) {
    const int64_t begin = Deadline::NowNanos();
    const Deadline deadline = Deadline::After(absl::Seconds(60));
    while (!(frame = reader.TryNext())) {
      if (set.WaitUntil(deadline) == WaitResult::kTimedOut) return std::nullopt;
    }
    side.longest_nanos.store(std::max(side.longest_nanos.load(), Deadline::NowNanos() - begin));
  }
  uint64_t found = 0;
  std::memcpy(&found, frame.data, sizeof(found));
  return found;
}

// Waits on a lane in a process of its own, until it is killed.
class Victim {
 public:
  Victim(TestLane& lane, uint64_t reader_id, WaitMode mode)
      : lane_(lane),
        reader_id_(reader_id),
        reader_(lane.Join(reader_id, {.policy = ReaderPolicy::kDrop})) {
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    WaitSet set({.mode = mode});
    set.Add(reader_.get());
    while (true) {
      while (reader_->TryNext()) continue;
      set.WaitUntil(Deadline::Infinite());
    }
  }
  // Gone from the roster, too.
  ~Victim() {
    Kill();
    lane_.Dismiss(reader_id_);
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  TestLane& lane_;
  const uint64_t reader_id_;
  const std::unique_ptr<LaneReader> reader_;  // of the child, until it is dead
  pid_t pid_ = 0;
};

// Kills a victim now and then; of the lane's writing process.
class Killer {
 public:
  Killer(const Flags& flags, TestLane& lane) : flags_(flags), lane_(lane), random_(flags.seed) {}

  void AfterHandoffs(uint64_t handoffs) {
    if (flags_.kill_every == 0 || handoffs < next_) return;
    dead_ = std::move(alive_);
    if (dead_ != nullptr) {
      dead_->Kill();
      ++killed_;
    }
    alive_ = std::make_unique<Victim>(lane_, ++last_id_, flags_.mode);
    next_ = handoffs + 1 + random_() % (2 * flags_.kill_every);
  }
  uint64_t killed() const { return killed_; }

 private:
  const Flags& flags_;
  TestLane& lane_;
  std::mt19937_64 random_;
  std::unique_ptr<Victim> dead_;
  std::unique_ptr<Victim> alive_;
  uint64_t last_id_ = 1;  // 1 is who is handed to
  uint64_t next_ = 0;
  uint64_t killed_ = 0;
};

void PingPong(const Flags& flags, bool first, TestLane& lane, LaneReader& reader, Side& side) {
  LaneWriter& writer = lane.writer();
  Killer killer(flags, lane);
  WaitSet set({.mode = flags.mode});
  set.Add(&reader);
  const uint64_t rounds = flags.handoffs / 2;
  const uint64_t per_line = std::max<uint64_t>(rounds / 20, 1);
  const int64_t begin = Deadline::NowNanos();
  const int64_t end = begin + flags.seconds * 1'000'000'000;
  for (uint64_t round = 0; round < rounds; ++round) {
    const bool last = flags.seconds > 0 && Deadline::NowNanos() > end;
    if (first && last) {
      Send(writer, kNoMore);
      break;
    }
    if (first) killer.AfterHandoffs(2 * round);
    if (first && !Send(writer, round)) return;
    const std::optional<uint64_t> received = Receive(reader, set, side);
    if (!first && received == kNoMore) break;
    if (received != round) {
      std::fprintf(stderr, "frame %lu did not come\n", static_cast<unsigned long>(round));
      return;
    }
    if (!first && !Send(writer, round)) return;
    if (first && (round + 1) % per_line == 0) {
      std::printf("%lu handoffs, %lu killed, %.1f s, longest wait %.3f ms\n",
                  static_cast<unsigned long>(2 * (round + 1)),
                  static_cast<unsigned long>(killer.killed()),
                  static_cast<double>(Deadline::NowNanos() - begin) * 1e-9,
                  static_cast<double>(side.longest_nanos.load()) * 1e-6);
      std::fflush(stdout);
    }
  }
  if (first) {
    std::printf("%lu handoffs, %lu killed, %.1f s\n",
                static_cast<unsigned long>(2 * writer.counters().frames),
                static_cast<unsigned long>(killer.killed()),
                static_cast<double>(Deadline::NowNanos() - begin) * 1e-9);
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
    PingPong(flags, /*first=*/false, back, *pinged, sides[1]);
    _exit(0);
  }
  PingPong(flags, /*first=*/true, there, *ponged, sides[0]);
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

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app(
      "Hands a frame to and fro between two processes that sleep at each step, and looks for the "
      "longest wait: a wake that is lost shows as a stall. Exits with 1 if a frame is lost or a "
      "wait is longer than --max_stall_ms.",
      "wake_stress");
  app.add_option("--handoffs", flags.handoffs, "How many")->capture_default_str();
  app.add_option("--seconds", flags.seconds, "No longer than this; 0: until all are done")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--mode", flags.mode, "How they wait: park, adaptive or spin (default park)")
      ->transform(CLI::CheckedTransformer(WaitModeNames()).description(""));
  app.add_option("--max_stall_ms", flags.max_stall_ms, "The longest wait that is right; 0: any")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--kill_every", flags.kill_every,
                 "A third process waits on the same lane, and is killed (SIGKILL) each so many "
                 "handoffs, asleep or about to be; its cursor, which says that it sleeps, stays on "
                 "the lane's roster until the next is killed; 0: none")
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "Of the moments at which it is killed")
      ->capture_default_str();
  app.add_option("--idle_seconds", flags.idle_seconds,
                 "Shows instead, for so long, what waiting costs while nothing comes; 0: does not")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--lanes", flags.lanes, "Lanes that are waited for with --idle_seconds")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  if (const std::optional<int> ended = ParseApp(app, argc, argv)) return *ended;
  return flags.idle_seconds > 0 ? Idle(flags) : Run(flags);
}

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) { return causeway::Main(argc, argv); }
