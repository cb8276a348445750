// Agents come, work, are stopped, evicted and killed, and coordinators are killed and started
// again, for as long as you like: what the coordinator holds is shown as time goes by, and when
// everybody is gone, it must hold what it held at the beginning.
//
//   bazel run -c opt //tests/faults:soak -- --seconds=3600 --seed=1
//
// Memory is shown, not judged; --help has the flags.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "agents/testing/child_process.h"
#include "agents/testing/coordinator_process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/console/flags.h"
#include "tests/console/progress.h"

namespace causeway {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Flags {
  int seconds = 3600;
  int cycles = 0;  // 0: as many as the seconds allow
  int sample_seconds = 60;
  int agents = 8;
  bool one_coordinator = false;
  uint64_t seed = 1;
};
Flags flags;

// What a coordinator holds.
struct Sample {
  size_t descriptors = 0;
  size_t threads = 0;
  size_t memory_kib = 0;
  size_t files = 0;
  uint64_t volatile_bytes = 0;
  uint64_t database_bytes = 0;
  size_t sessions = 0;
  uint64_t granted_bytes = 0;
};

size_t StatusField(pid_t pid, const std::string& field) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string name;
  size_t value = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) value = std::strtoull(line.c_str() + field.size(), nullptr, 10);
  }
  return value;
}

uint64_t BytesUnder(const std::string& directory, const std::string& prefix) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    struct stat attributes;
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    if (stat(entry.path().c_str(), &attributes) != 0 || !S_ISREG(attributes.st_mode)) continue;
    bytes += static_cast<uint64_t>(attributes.st_blocks) * 512;
  }
  return bytes;
}

Sample Look(CoordinatorProcess& coordinator) {
  Sample sample;
  sample.sessions = coordinator.Agents().size();
  sample.granted_bytes = coordinator.GrantedBytes();
  std::error_code error;
  const std::string descriptors = absl::StrCat("/proc/", coordinator.pid(), "/fd");
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(descriptors, error)) {
    ++sample.descriptors;
  }
  sample.threads = StatusField(coordinator.pid(), "Threads:");
  sample.memory_kib = StatusField(coordinator.pid(), "VmRSS:");
  sample.files = coordinator.CountFiles();
  sample.volatile_bytes = BytesUnder(coordinator.volatile_dir(), "");
  sample.database_bytes = BytesUnder(coordinator.dir(), "state.db");
  return sample;
}

void Print(double seconds, const Sample& sample) {
  std::printf("%8.0f %6zu %7zu %9zu %6zu %10lu %9lu %8zu %11lu\n", seconds, sample.descriptors,
              sample.threads, sample.memory_kib, sample.files,
              static_cast<unsigned long>(sample.volatile_bytes >> 10),
              static_cast<unsigned long>(sample.database_bytes >> 10), sample.sessions,
              static_cast<unsigned long>(sample.granted_bytes >> 10));
  std::fflush(stdout);
}

// One agent's life.
class Life {
 public:
  Life(CoordinatorProcess& coordinator, int place, std::mt19937_64& random)
      : coordinator_(coordinator),
        random_(random),
        process_({TestProgram("agents/testing/agent_peer")}) {
    const std::string attached =
        process_.Ask(absl::StrCat("attach ", coordinator.dir(), " agent-", place));
    EXPECT_THAT(attached, StartsWith("ok "));
    session_id_ = std::strtoull(attached.c_str() + 3, nullptr, 10);
    // A stream of its own, which it also reads and waits for; or one that it shares with others,
    // whose readers are waited for by nobody.
    own_ = random_() % 3 == 0;
    const std::string stream =
        own_ ? absl::StrCat("own-", place) : absl::StrCat("shared-", random_() % 3);
    writes_ = own_ || random_() % 2 == 0;
    reads_ = own_ || !writes_ || random_() % 2 == 0;
    if (reads_) {
      EXPECT_EQ(process_.Ask(absl::StrCat("read_from ", stream, own_ ? " block" : " drop")), "ok");
    }
    if (writes_) {
      EXPECT_EQ(process_.Ask(absl::StrCat("write_to ", stream, " 65536 1048576")), "ok");
    }
  }

  void Work() {
    const uint64_t frames = 1 + random_() % 50;
    if (writes_) {
      EXPECT_EQ(process_.Ask(absl::StrCat("write ", frames, " 8192 ", written_)), "ok");
      written_ += frames;
    }
    if (own_) {
      EXPECT_EQ(process_.Ask(absl::StrCat("read ", frames)),
                absl::StrCat("ok ", written_ - frames, " ", written_ - 1));
    } else if (reads_) {
      EXPECT_THAT(process_.Ask("next"),
                  AnyOf(StartsWith("frame "), StartsWith("gap "), "nothing", StartsWith("ended ")));
    }
  }

  // False: that was its end.
  bool Suffer() {
    switch (random_() % 5) {
      case 0:
        process_.Kill();
        return false;
      case 1:  // In order: the end of its input.
        EXPECT_EQ(process_.Ask("close"), "ok");
        // Away: the coordinator was just killed; the session ends with the process.
        EXPECT_THAT(process_.Ask("detach"), AnyOf("ok", StartsWith("UNAVAILABLE")));
        return false;
      case 2:
        process_.Signal(SIGSTOP);
        process_.AwaitStop();
        process_.Signal(SIGCONT);
        return true;
      case 3:
        process_.Signal(SIGSTOP);
        process_.AwaitStop();
        process_.Kill();
        return false;
      default:
        process_.Signal(SIGSTOP);
        process_.AwaitStop();
        EXPECT_TRUE(coordinator_.Evict(session_id_, "soaked").ok());
        process_.Signal(SIGCONT);
        EXPECT_THAT(process_.Ask("write_to another"), HasSubstr("soaked"));
        return false;
    }
  }

 private:
  CoordinatorProcess& coordinator_;
  std::mt19937_64& random_;
  ChildProcess process_;
  uint64_t session_id_ = 0;
  uint64_t written_ = 0;
  bool own_ = false;
  bool writes_ = false;
  bool reads_ = false;
};

TEST(Soak, NothingIsLeftOfAgentsThatCameAndWent) {
  std::printf("seed %lu\n", static_cast<unsigned long>(flags.seed));
  std::mt19937_64 random(flags.seed);
  CoordinatorProcess coordinator;
  std::vector<std::unique_ptr<Life>> lives(flags.agents);
  // What is made once, for the first agent, belongs to the beginning.
  Life(coordinator, 0, random).Work();
  const auto await_nobody = [&] {
    while (!coordinator.Agents().empty()) absl::SleepFor(absl::Milliseconds(1));
    coordinator.AwaitFiles(0);
  };
  await_nobody();
  const Sample before = Look(coordinator);
  std::printf("%8s %6s %7s %9s %6s %10s %9s %8s %11s\n", "SECONDS", "FDS", "THREADS", "RSS KIB",
              "FILES", "TMPFS KIB", "DB KIB", "SESSIONS", "GRANTED KIB");
  Print(0, before);

  const absl::Time begin = absl::Now();
  const absl::Time end = begin + absl::Seconds(flags.seconds);
  absl::Time next_sample = begin + absl::Seconds(flags.sample_seconds);
  int cycle = 0, came = 0, went = 0, restarts = 0;
  while (flags.cycles > 0 ? cycle < flags.cycles : absl::Now() < end) {
    if (::testing::Test::HasFailure()) break;
    ++cycle;
    const size_t place = random() % lives.size();
    std::unique_ptr<Life>& life = lives[place];
    if (life == nullptr) {
      life = std::make_unique<Life>(coordinator, static_cast<int>(place), random);
      ++came;
    } else if (random() % 4 != 0) {
      life->Work();
    } else if (!life->Suffer()) {
      life.reset();
      ++went;
    }
    if (!flags.one_coordinator && random() % 200 == 0) {
      coordinator.Kill();
      coordinator.Start();
      ++restarts;
    }
    if (absl::Now() >= next_sample) {
      next_sample += absl::Seconds(flags.sample_seconds);
      Print(absl::ToDoubleSeconds(absl::Now() - begin), Look(coordinator));
    }
    ShowProgress(absl::StrFormat("%d steps, %d came, %d went", cycle, came, went));
  }
  ShowProgress("");
  lives.clear();
  await_nobody();

  Sample after = Look(coordinator);
  // Connections of the last calls are being closed. Bounded by the test's own time limit.
  while (after.descriptors > before.descriptors) {
    absl::SleepFor(absl::Milliseconds(1));
    after = Look(coordinator);
  }
  Print(absl::ToDoubleSeconds(absl::Now() - begin), after);
  std::printf("%d steps, %d agents came and went, %d coordinators killed\n", cycle, came, restarts);
  EXPECT_EQ(after.sessions, 0u);
  EXPECT_EQ(after.files, 0u);
  EXPECT_EQ(after.granted_bytes, before.granted_bytes);
  EXPECT_LE(after.volatile_bytes, before.volatile_bytes);
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Agents come, work, are stopped, evicted and killed, and coordinators are killed and started "
      "again. Prints what the coordinator holds as time goes by. Exits with 1 if its descriptors, "
      "files, sessions or granted bytes do not come back to what they were, or an agent finds what "
      "it should not. Memory is shown, not judged.",
      "soak");
  app.add_option("--seconds", flags.seconds, "How long")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--cycles", flags.cycles, "Steps, instead of --seconds")
      ->check(CLI::PositiveNumber);
  app.add_option("--sample_seconds", flags.sample_seconds, "From one line to the next")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--agents", flags.agents, "Most at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag(
      "--one_coordinator", flags.one_coordinator,
      "Coordinators are not killed: one serves the whole run, and its memory tells whether "
      "it keeps what it should forget");
  app.add_option("--seed", flags.seed, "Of all that is chosen")->capture_default_str();
  if (const std::optional<int> ended = ParseAppBeforeGoogleTest(app, argc, argv)) return *ended;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) { return causeway::Main(argc, argv); }
