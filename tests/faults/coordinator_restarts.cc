// The coordinator is killed and started again while two streams run at full load: not one frame may
// be lost or repeated, agents attach again by themselves, and what they have mapped stays where it
// is. Prints what a paced stream's latency was with a coordinator, without one, and around the
// changes.
//
//   bazel run -c opt //tests/faults:coordinator_restarts -- --seconds=60
//   bazel run -c opt //tests/faults:coordinator_restarts -- --cycles=1 --away_ms=10000
//
// --help has the flags.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agents/agent.h"
#include "agents/cli/latency.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "tests/console/flags.h"
#include "tests/console/progress.h"

namespace causeway {
namespace {

constexpr absl::Duration kLong = absl::Minutes(2);
constexpr size_t kBulkBytes = 4096;
constexpr size_t kProbeBytes = 64;
constexpr absl::Duration kProbePause = absl::Microseconds(200);
constexpr char kNewer[] = "tests/faults/newer_coordinator";

struct Flags {
  int seconds = 60;
  int cycles = 0;  // 0: as many as the seconds allow
  int every_ms = 1000;
  int away_ms = 0;
  bool upgrade = false;
  uint64_t seed = 1;
};
Flags flags;

// What the coordinator is doing meanwhile.
enum Phase { kBefore, kServing, kChanging, kAway, kPhases };
constexpr const char* kPhaseNames[] = {"before the first kill", "between restarts",
                                       "killed to attached again", "away"};

// How often this process was attached again.
class Attachments {
 public:
  void Again() {
    absl::MutexLock lock(&mutex_);
    ++again_;
  }
  void Await(int times) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return again_ >= times; };
    mutex_.Await(absl::Condition(&there));
  }

 private:
  absl::Mutex mutex_;
  int again_ ABSL_GUARDED_BY(mutex_) = 0;
};

std::unique_ptr<Agent> Attach(const std::string& dir, const std::string& name,
                              Attachments& attachments) {
  AgentOptions options;
  options.dir = dir;
  options.name = name;
  options.on_event = [&attachments](const AgentEvent& event) {
    if (event.kind == AgentEvent::Kind::kReattached) attachments.Again();
    EXPECT_NE(event.kind, AgentEvent::Kind::kRejected) << event.text;
    EXPECT_NE(event.kind, AgentEvent::Kind::kEvicted) << event.text;
  };
  absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(std::move(options));
  EXPECT_TRUE(agent.ok()) << agent.status();
  return agent.ok() ? *std::move(agent) : nullptr;
}

// Address, rights and inode of each mapping of a lane page or a cursor page, which are mapped for
// as long as their lane is open; segments come and go.
std::set<std::string> HeaderMappings(const std::string& directory) {
  std::set<std::string> found;
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    std::string range, rights, offset, device, inode, path;
    std::istringstream(line) >> range >> rights >> offset >> device >> inode >> path;
    if (path.starts_with(directory) && offset == "00000000") {
      found.insert(absl::StrCat(range, " ", rights, " ", inode));
    }
  }
  return found;
}

// One stream with its writing and its reading thread.
class Traffic {
 public:
  // `pause`: between frames; zero: as fast as the reader lets it.
  Traffic(Agent& source, Agent& sink, const std::string& stream, size_t frame_bytes,
          absl::Duration pause, const std::atomic<int>& phase)
      : frame_bytes_(frame_bytes),
        pause_(pause),
        phase_(phase),
        writer_(*source.OpenWriter(stream)),
        reader_(*sink.OpenReader(stream)) {
    EXPECT_TRUE(writer_->WaitForReaders(1, kLong).ok());
    reading_ = std::thread([this] { Read(); });
    writing_ = std::thread([this] { Write(); });
  }

  void Stop() {
    stop_ = true;
    writing_.join();
    reading_.join();
    EXPECT_EQ(read_, written_);
  }

  uint64_t read() const { return read_; }
  LatencySummary Latency(Phase phase) const { return latencies_[phase].Summarize(); }

 private:
  void Write() {
    for (uint64_t number = 0; !stop_; ++number) {
      absl::StatusOr<std::span<std::byte>> room = writer_->Claim(frame_bytes_, kLong);
      ASSERT_TRUE(room.ok()) << room.status();
      FillPattern(number, *room);
      sent_at_[number % kStamps] = Deadline::NowNanos();
      ASSERT_TRUE(writer_->Commit(frame_bytes_));
      ++written_;
      if (pause_ > absl::ZeroDuration()) absl::SleepFor(pause_);
    }
    EXPECT_TRUE(writer_->Close().ok());
  }

  void Read() {
    while (true) {
      absl::StatusOr<Delivery> next = reader_->Next(kLong);
      ASSERT_TRUE(next.ok()) << next.status();
      if (next->kind == Delivery::Kind::kEnded) return;
      ASSERT_EQ(next->kind, Delivery::Kind::kFrame) << next->loss;
      const uint64_t number = read_;
      ASSERT_EQ(CheckPattern(next->frame.payload), number) << "lost, repeated or torn";
      if (pause_ > absl::ZeroDuration()) {
        latencies_[phase_].Record(Deadline::NowNanos() - sent_at_[number % kStamps]);
      }
      ++read_;
    }
  }

  // Of frames under way; more than a paced lane ever holds.
  static constexpr size_t kStamps = 1 << 16;

  const size_t frame_bytes_;
  const absl::Duration pause_;
  const std::atomic<int>& phase_;
  const std::unique_ptr<Writer> writer_;
  const std::unique_ptr<Reader> reader_;
  std::vector<std::atomic<int64_t>> sent_at_ = std::vector<std::atomic<int64_t>>(kStamps);
  LatencyRecorder latencies_[kPhases];
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> written_ = 0;
  std::atomic<uint64_t> read_ = 0;
  std::thread writing_;
  std::thread reading_;
};

void AwaitMore(const Traffic& traffic, uint64_t frames) {
  const uint64_t target = traffic.read() + frames;
  while (traffic.read() < target && !::testing::Test::HasFailure()) std::this_thread::yield();
}

TEST(CoordinatorRestarts, LoseAndRepeatNothingAndLeaveMappingsWhereTheyAre) {
  std::printf("seed %lu\n", static_cast<unsigned long>(flags.seed));
  std::mt19937_64 random(flags.seed);
  CoordinatorProcess coordinator;
  Attachments source_attachments, sink_attachments;
  const auto source = Attach(coordinator.dir(), "source", source_attachments);
  const auto sink = Attach(coordinator.dir(), "sink", sink_attachments);
  ASSERT_TRUE(source != nullptr && sink != nullptr);
  const uint64_t session_id = source->session_id();
  std::atomic<int> phase = kBefore;
  Traffic bulk(*source, *sink, "bulk", kBulkBytes, absl::ZeroDuration(), phase);
  Traffic probe(*source, *sink, "probe", kProbeBytes, kProbePause, phase);
  AwaitMore(bulk, 10'000);
  AwaitMore(probe, 1'000);
  const std::set<std::string> mapped = HeaderMappings(coordinator.volatile_dir());
  // Of each stream its lane page and its cursor page, each as its writer, its reader, and whoever
  // shows their progress have them.
  EXPECT_EQ(mapped.size(), 12u);

  const absl::Time end = absl::Now() + absl::Seconds(flags.seconds);
  int cycle = 0;
  while (flags.cycles > 0 ? cycle < flags.cycles : absl::Now() < end) {
    if (::testing::Test::HasFailure()) break;
    ++cycle;
    phase = kChanging;
    const bool newer = flags.upgrade && cycle % 2 == 1;
    if (flags.upgrade) {
      coordinator.Terminate();
    } else {
      coordinator.Kill();
    }
    if (flags.away_ms > 0) {
      phase = kAway;
      absl::SleepFor(absl::Milliseconds(flags.away_ms));
      phase = kChanging;
    }
    AwaitMore(bulk, 1'000);  // With nobody to ask.
    if (newer) {
      coordinator.Start(kNewer);
    } else {
      coordinator.Start();
    }
    source_attachments.Await(cycle);
    sink_attachments.Await(cycle);
    EXPECT_EQ(coordinator.Version() == "99.0.0", newer);
    phase = kServing;
    EXPECT_EQ(HeaderMappings(coordinator.volatile_dir()), mapped) << "after restart " << cycle;
    EXPECT_EQ(source->session_id(), session_id);
    AwaitMore(bulk, 1'000);
    absl::SleepFor(absl::Milliseconds(flags.every_ms + random() % (flags.every_ms / 2 + 1)));
    ShowProgress(absl::StrFormat("%d restarts, %d frames", cycle, bulk.read()));
  }
  ShowProgress("");
  bulk.Stop();
  probe.Stop();
  // It knows them well enough to let others join.
  EXPECT_TRUE(source->OpenReader("bulk").ok());

  std::printf("%d restarts, %lu frames of %zu bytes at full load, each once and in order\n", cycle,
              static_cast<unsigned long>(bulk.read()), kBulkBytes);
  std::printf("%-26s %10s %10s %10s %10s\n", "PACED STREAM", "FRAMES", "P50 US", "P99 US",
              "MAX US");
  for (int i = 0; i < kPhases; ++i) {
    const LatencySummary latency = probe.Latency(static_cast<Phase>(i));
    if (latency.count == 0) continue;
    std::printf("%-26s %10lu %10.1f %10.1f %10.1f\n", kPhaseNames[i],
                static_cast<unsigned long>(latency.count), latency.p50_ns * 1e-3,
                latency.p99_ns * 1e-3, latency.max_ns * 1e-3);
  }
}

int Main(int argc, char** argv) {
  CLI::App app(
      "The coordinator is killed and started again while two streams run at full load. Prints what "
      "the latency of a paced stream was with a coordinator, without one, and around the changes. "
      "Exits with 1 if a frame is lost or repeated, an agent does not attach again, or a mapping "
      "moves.",
      "coordinator_restarts");
  app.add_option("--seconds", flags.seconds, "How long")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--cycles", flags.cycles, "Restarts, instead of --seconds")
      ->check(CLI::PositiveNumber);
  app.add_option("--every_ms", flags.every_ms,
                 "Between a restart and the next kill; by chance up to half more of it")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--away_ms", flags.away_ms, "Between a kill and the restart")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--upgrade", flags.upgrade,
               "Each second coordinator is of another release, and the one before is told to stop "
               "(SIGTERM)");
  app.add_option("--seed", flags.seed, "Of all that is chosen")->capture_default_str();
  if (const std::optional<int> ended = ParseAppBeforeGoogleTest(app, argc, argv)) return *ended;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) { return causeway::Main(argc, argv); }
