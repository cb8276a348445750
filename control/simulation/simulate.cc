// Worlds in a row, or one of them to look at:
//
//   bazel run -c opt //control/simulation:simulate -- --seeds=1000000
//   bazel run //control/simulation:simulate -- --seed=4711

#include <cstdint>
#include <iostream>
#include <optional>
#include <random>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "control/simulation/simulation.h"
#include "spdlog/spdlog.h"
#include "tests/console/flags.h"
#include "tests/console/progress.h"

int main(int argc, char** argv) {
  using causeway::simulation::Simulate;
  using causeway::simulation::SimulationResult;
  uint64_t seed = 0;
  uint64_t seeds = 10'000;
  uint64_t first = std::random_device()();
  int bug = 0;
  CLI::App app("Runs the coordinator's code in simulated worlds and looks for broken laws.",
               "simulate");
  const auto* const one =
      app.add_option("--seed", seed, "Run this world only, and print its trace");
  app.add_option("--seeds", seeds, "Run so many worlds")->capture_default_str();
  app.add_option("--first", first, "The first of their seeds; chosen at random if not given");
  app.add_option("--bug", bug, "Plant the mistake of this number (environment.h); 0: none")
      ->check(CLI::Range(0, causeway::simulation::kPlantedBugs));
  if (const std::optional<int> ended = causeway::ParseApp(app, argc, argv)) return *ended;
  spdlog::set_level(spdlog::level::off);
  const auto planted = static_cast<causeway::simulation::PlantedBug>(bug);

  if (one->count() > 0) {
    const SimulationResult result = Simulate({.seed = seed, .bug = planted, .tracing = true});
    for (const std::string& line : result.trace) std::cout << line << "\n";
    std::cout << (result.verdict.empty() ? "every law holds" : result.verdict) << "\n";
    return result.verdict.empty() ? 0 : 1;
  }
  uint64_t restarts = 0;
  for (uint64_t i = 0; i < seeds; ++i) {
    const SimulationResult result = Simulate({.seed = first + i, .bug = planted});
    if (!result.verdict.empty()) {
      causeway::ShowProgress("");
      std::cout << "seed " << first + i << ": " << result.verdict
                << "\nsee it with --seed=" << first + i << "\n";
      return 1;
    }
    restarts += result.restarts;
    if (i % 1000 == 0) causeway::ShowProgress(absl::StrFormat("%d of %d worlds", i, seeds));
  }
  causeway::ShowProgress("");
  std::cout << seeds << " worlds from seed " << first << " on, " << restarts
            << " restarts of coordinators: every law holds\n";
  return 0;
}
