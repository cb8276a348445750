// Kills processes at crash points for as long as it is told to.
//
//   bazel run -c opt //tests/faults:crash_matrix -- --seed=7 --cycles=10000

#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/console/flags.h"
#include "tests/console/progress.h"
#include "tests/faults/crash_matrix.h"

namespace causeway::faults {
namespace {

volatile sig_atomic_t stopping = 0;

int Main(int argc, char** argv) {
  CrashMatrixOptions options;
  options.cycles = 10'000;
  bool list = false;
  bool verbose = false;
  CLI::App app(
      "Runs a coordinator, writers and readers, kills one of them at a crash point in each cycle, "
      "lets another take its place, and judges what the survivors saw. Exits with 1 if anything "
      "was lost, repeated, torn, out of order, stuck or left behind. SIGINT (Ctrl-C) and SIGTERM "
      "make the cycle that runs the last one; the summary comes then, too.",
      "crash_matrix");
  app.add_option("--seed", options.seed, "Of all that is chosen")->capture_default_str();
  app.add_option("--cycles", options.cycles, "Deaths, roughly")->capture_default_str();
  app.add_option("--point", options.point, "Only points whose names begin so");
  app.add_option("--actor", options.actor, "Only this one is killed")
      ->check(CLI::IsMember({"writer", "reader", "coordinator", "copy_worker"}));
  app.add_option("--cycles_per_rest", options.cycles_per_rest,
                 "Cycles between two looks at what was left behind")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--list", list, "Print the crash points, with their places, and do nothing");
  app.add_flag("--verbose", verbose, "Print a line for each cycle");
  if (const std::optional<int> ended = ParseApp(app, argc, argv)) return *ended;
  if (list) {
    for (const std::string& point : ListCrashPoints()) std::puts(point.c_str());
    return 0;
  }
  absl::Time before = absl::Now();
  options.on_cycle = [&](uint64_t cycles, const std::string& text) {
    if (verbose) {
      const absl::Time now = absl::Now();
      std::fprintf(stderr, "%lu: %s: %s\n", cycles, text.c_str(),
                   absl::FormatDuration(now - std::exchange(before, now)).c_str());
    } else {
      ShowCount(cycles, options.cycles, 500, text);
    }
  };
  options.on_violation = [&](const std::string& text) {
    ShowProgress("");
    std::fprintf(stderr, "VIOLATION %s\n", text.c_str());
  };
  options.stops = [] { return stopping != 0; };
  for (const int ending : {SIGINT, SIGTERM}) signal(ending, [](int) { stopping = 1; });
  const CrashMatrixSummary summary = RunCrashMatrix(options);
  ShowProgress("");
  std::printf("seed %lu\n\n%s", options.seed, ToText(summary).c_str());
  return summary.violations.empty() ? 0 : 1;
}

}  // namespace
}  // namespace causeway::faults

int main(int argc, char** argv) { return causeway::faults::Main(argc, argv); }
