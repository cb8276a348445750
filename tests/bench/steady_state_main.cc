// Whether a writer at full rate, and its reader, ever wait for anything but each other.
//
//   bazel run -c opt //tests/bench:steady_state -- --seconds=300 --frame_bytes=64

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agents/cli/table.h"
#include "mmapcore/wait_mode.h"
#include "tests/bench/parties.h"
#include "tests/bench/payload.h"
#include "tests/bench/services.h"
#include "tests/bench/steady_ends.h"
#include "tests/console/flags.h"
#include "tests/console/progress.h"

namespace causeway::bench {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

struct Flags {
  double seconds = 10;
  double warm_up_seconds = 3;
  std::vector<size_t> sizes = {64, 1024, 65536};
  std::vector<std::string> readers = {"steady", "bursts"};
  size_t reader_count = 1;
  WaitMode wait_mode = WaitMode::kSpin;
  double pause_ms = 2;
  double cycle_ms = 100;
  bool each_second = false;
  std::string volatile_parent;
};

// What one end had counted at a moment.
struct ThreadSample {
  explicit ThreadSample(const ThreadCounts& counts)
      : frames(counts.frames.load(kRelaxed)),
        faults(counts.page_faults.load(kRelaxed)),
        calls(counts.system_calls.load(kRelaxed)) {}

  uint64_t frames;
  uint64_t faults;
  int64_t calls;
};

struct Sample {
  explicit Sample(const SteadyCounts& counts)
      : writer(counts.writer),
        reader(counts.reader),
        waits_for_grants(counts.waits_for_grants.load(kRelaxed)),
        waits_for_readers(counts.waits_for_readers.load(kRelaxed)),
        waited_nanos(counts.waited_nanos.load(kRelaxed)),
        granted(counts.segments_granted.load(kRelaxed)),
        rolls(counts.rolls.load(kRelaxed)),
        pauses(counts.pauses.load(kRelaxed)) {}

  ThreadSample writer;
  ThreadSample reader;
  uint64_t waits_for_grants;
  uint64_t waits_for_readers;
  uint64_t waited_nanos;
  uint64_t granted;
  uint64_t rolls;
  uint64_t pauses;
};

// Of the writer / of the reader.
std::string FaultsBetween(const Sample& before, const Sample& after) {
  return absl::StrCat(after.writer.faults - before.writer.faults, " / ",
                      after.reader.faults - before.reader.faults);
}

std::string CallsBetween(const Sample& before, const Sample& after) {
  if (after.writer.calls < 0 || after.reader.calls < 0) return "? / ?";
  return absl::StrCat(after.writer.calls - before.writer.calls, " / ",
                      after.reader.calls - before.reader.calls);
}

std::string WaitedBetween(const Sample& before, const Sample& after) {
  return HumanDuration(static_cast<double>(after.waited_nanos - before.waited_nanos));
}

// Starts a process that does `work` and dies with this one.
pid_t Start(const std::function<absl::Status()>& work) {
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
  const absl::Status status = work();
  if (!status.ok()) std::fprintf(stderr, "steady_state: %s\n", status.ToString().c_str());
  _exit(status.ok() ? 0 : 1);
}

bool Succeeded(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool HasEnded(pid_t pid) {
  siginfo_t info = {};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

// Runs one writer and its readers. The samples at the end of the warm-up and of each second after
// it; fewer than asked for: one of the processes failed, and said why.
std::vector<Sample> Run(const Flags& flags, const SteadyOptions& options, SteadyCounts& counts) {
  std::vector<pid_t> pids;
  for (size_t i = 0; i < options.readers; ++i) {
    ThreadCounts* const counted = i == 0 ? &counts.reader : nullptr;
    pids.push_back(Start([&, counted] { return ReadSteadily(options, counts, counted); }));
  }
  pids.push_back(Start([&] { return WriteSteadily(options, counts); }));
  std::vector<Sample> samples;
  const absl::Time begin = absl::Now() + absl::Seconds(flags.warm_up_seconds);
  const absl::Time end = begin + absl::Seconds(flags.seconds);
  for (absl::Time next = begin; std::none_of(pids.begin(), pids.end(), HasEnded);) {
    absl::SleepFor(std::min(next - absl::Now(), absl::Milliseconds(100)));
    if (absl::Now() < next) continue;
    samples.emplace_back(counts);
    if (next >= end) break;
    next = std::min(next + absl::Seconds(1), end);
    ShowProgress(absl::StrFormat("%s, %d bytes: %.0f s left, %d frames", options.stream,
                                 options.frame_bytes, absl::ToDoubleSeconds(end - next),
                                 samples.back().writer.frames));
  }
  ShowProgress("");
  counts.stop.store(true, kRelaxed);
  for (const pid_t pid : pids) {
    if (!Succeeded(pid)) samples.clear();
  }
  return samples;
}

// Seconds in which nothing happened are left out.
void PrintSeconds(const std::vector<Sample>& samples) {
  for (size_t i = 1; i < samples.size(); ++i) {
    const Sample& before = samples[i - 1];
    const Sample& after = samples[i];
    if (after.writer.faults == before.writer.faults && after.writer.calls == before.writer.calls &&
        after.reader.faults == before.reader.faults && after.reader.calls == before.reader.calls &&
        after.granted == before.granted && after.waited_nanos == before.waited_nanos) {
      continue;
    }
    std::printf(
        "  second %d: %s frames, granted %d, waits for grants %d, for readers %d (%s), faults %s, "
        "calls %s\n",
        static_cast<int>(i), GroupDigits(after.writer.frames - before.writer.frames).c_str(),
        static_cast<int>(after.granted - before.granted),
        static_cast<int>(after.waits_for_grants - before.waits_for_grants),
        static_cast<int>(after.waits_for_readers - before.waits_for_readers),
        WaitedBetween(before, after).c_str(), FaultsBetween(before, after).c_str(),
        CallsBetween(before, after).c_str());
  }
}

int Main(int argc, char** argv) {
  if (const std::optional<int> served = ServeIfAsked(argc, argv)) return *served;
  Flags flags;
  CLI::App app(
      "Writes frames at full rate, through a coordinator, to a reader in another process, "
      "and counts what stands in the way once the lane has as many segments as the reader needs: "
      "claims that wait for a grant of the coordinator, page faults and system calls of the "
      "writer's and of the reader's thread. Claims that wait for the reader are counted apart: a "
      "lane has a capacity. Every frame is checked; exit status 1: one did not arrive as it was "
      "written.");
  app.name("steady_state");
  app.get_formatter()->column_width(28);
  app.add_option("--seconds", flags.seconds, "Length of each run after its warm-up (default 10)")
      ->check(CLI::Range(0.1, 86400.0));
  app.add_option("--warm_up_seconds", flags.warm_up_seconds, "Not counted (default 3)")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--frame_bytes", flags.sizes,
                 "Sizes of frames, a run for each (default 64,1KiB,64KiB)")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--readers", flags.readers,
                 "steady: reads what there is; bursts: stands still now and then (default both)")
      ->delimiter(',')
      ->check(CLI::IsMember({"steady", "bursts"}));
  app.add_option("--reader_count", flags.reader_count, "Readers, a process each (default 1)")
      ->check(CLI::Range(1, 64));
  app.add_option(
         "--wait", flags.wait_mode,
         "How the writer, for room, and the readers wait: spin, adaptive or park (default spin)")
      ->transform(CLI::CheckedTransformer(WaitModeNames()).description(""));
  app.add_option("--pause_ms", flags.pause_ms,
                 "How long a reader in bursts stands still (default 2)")
      ->check(CLI::Range(0.001, 10000.0));
  app.add_option("--cycle_ms", flags.cycle_ms, "How long it then reads (default 100)")
      ->check(CLI::Range(0.001, 100000.0));
  app.add_flag("--each_second", flags.each_second,
               "Prints also the seconds in which anything was counted");
  app.add_option("--volatile_parent", flags.volatile_parent,
                 "Directory in which the one for shared memory is made, for instance a tmpfs with "
                 "huge pages\n(default /dev/shm)")
      ->check(CLI::ExistingDirectory);
  if (const std::optional<int> ended = ParseApp(app, argc, argv)) return *ended;
  for (const size_t bytes : flags.sizes) {
    if (bytes >= kWordBytes && bytes % kWordBytes == 0) continue;
    std::fprintf(stderr, "steady_state: --frame_bytes %zu is no multiple of %zu\n", bytes,
                 kWordBytes);
    return kExitUsage;
  }

  const Party* const client = FindParty("client");
  const auto services = Services::Start({&client, 1}, flags.sizes, flags.volatile_parent);
  if (!services.ok() || !(*services)->Missing(*client).ok()) {
    std::fprintf(
        stderr, "steady_state: no coordinator: %s\n",
        (services.ok() ? (*services)->Missing(*client) : services.status()).ToString().c_str());
    return 1;
  }
  void* const shared = mmap(nullptr, sizeof(SteadyCounts), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  TextTable table({{"READER"},
                   {"FRAME", Column::Kind::kNumber},
                   {"FRAMES", Column::Kind::kNumber},
                   {"BYTES/S", Column::Kind::kNumber},
                   {"PAUSES", Column::Kind::kNumber},
                   {"ROLLS", Column::Kind::kNumber},
                   {"GRANTED", Column::Kind::kNumber},
                   {"WAITS: GRANT", Column::Kind::kNumber},
                   {"READER", Column::Kind::kNumber},
                   {"WAITED", Column::Kind::kNumber},
                   {"FAULTS", Column::Kind::kNumber},
                   {"CALLS", Column::Kind::kNumber}});
  int exit_status = 0;
  for (const std::string& reader : flags.readers) {
    for (const size_t bytes : flags.sizes) {
      SteadyCounts& counts = *new (shared) SteadyCounts;
      const bool bursts = reader == "bursts";
      const SteadyOptions options = {
          .coordinator_dir = (*services)->coordinator_dir(),
          .stream = absl::StrCat(reader, "-", bytes),
          .frame_bytes = bytes,
          .readers = flags.reader_count,
          .wait_mode = flags.wait_mode,
          .pause_nanos = bursts ? static_cast<int64_t>(flags.pause_ms * 1e6) : 0,
          .cycle_nanos = bursts ? static_cast<int64_t>(flags.cycle_ms * 1e6) : 0};
      const std::vector<Sample> samples = Run(flags, options, counts);
      if (samples.size() < 2) {
        exit_status = 1;
        continue;
      }
      const Sample& first = samples.front();
      const Sample& last = samples.back();
      if (flags.each_second) {
        std::printf("%s reader, frames of %zu bytes\n", reader.c_str(), bytes);
        PrintSeconds(samples);
        std::fflush(stdout);
      }
      const uint64_t frames = last.writer.frames - first.writer.frames;
      table.AddRow({reader, GroupDigits(bytes), GroupDigits(frames),
                    HumanBytes(static_cast<double>(frames * bytes) / flags.seconds),
                    absl::StrCat(last.pauses - first.pauses), GroupDigits(last.rolls - first.rolls),
                    absl::StrCat(last.granted - first.granted),
                    absl::StrCat(last.waits_for_grants - first.waits_for_grants),
                    absl::StrCat(last.waits_for_readers - first.waits_for_readers),
                    WaitedBetween(first, last), FaultsBetween(first, last),
                    CallsBetween(first, last)});
    }
  }
  std::printf(
      "in %.4g s after a warm-up of %.4g s; faults and calls: of the writer's thread / of the "
      "reader's\n%s",
      flags.seconds, flags.warm_up_seconds, table.Render(0).c_str());
  return exit_status;
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) { return causeway::bench::Main(argc, argv); }
