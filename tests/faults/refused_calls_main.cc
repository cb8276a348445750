// Refuses system calls of agents and coordinators for as long as it is told to.
//
//   bazel run -c opt //tests/faults:refused_calls -- --seed=7 --trials=5000

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "tests/console/flags.h"
#include "tests/console/progress.h"
#include "tests/faults/refused_calls.h"

namespace causeway::faults {
namespace {

int Main(int argc, char** argv) {
  RefusedCallsOptions options;
  options.trials = 1000;
  bool verbose = false;
  CLI::App app(
      "Lets the n-th system call of a kind fail in an agent or its coordinator, once or for ever, "
      "and judges what they make of it. Exits with 1 if a process did not live, a status was "
      "unclear, something took for ever or was left behind, or did not go on afterwards.",
      "refused_calls");
  app.add_option("--seed", options.seed, "Of all that is chosen; trial i uses seed + i")
      ->capture_default_str();
  app.add_option("--trials", options.trials, "Refusals")->capture_default_str();
  app.add_option("--side", options.side, "Whose calls are refused; empty: each in turn")
      ->check(CLI::IsMember({"agent", "coordinator", "start"}));
  app.add_option("--call", options.call, "Only this system call");
  app.add_flag("--verbose", verbose, "Print a line for each trial");
  if (const std::optional<int> ended = ParseApp(app, argc, argv)) return *ended;
  options.on_trial = [&](uint64_t trials, const std::string& text) {
    if (verbose) {
      std::fprintf(stderr, "%lu: %s\n", trials, text.c_str());
    } else {
      ShowCount(trials, options.trials, 100, text);
    }
  };
  const RefusedCallsSummary summary = RunRefusedCalls(options);
  ShowProgress("");
  std::printf("seed %lu\n\n%s", options.seed, ToText(summary).c_str());
  return summary.violations.empty() ? 0 : 1;
}

}  // namespace
}  // namespace causeway::faults

int main(int argc, char** argv) { return causeway::faults::Main(argc, argv); }
