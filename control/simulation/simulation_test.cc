// Ten thousand worlds, and a mistake planted in each of some more.
//
// A failure names its seed. To see what happened:
//   bazel run //control/simulation:simulate -- --seed=<seed>

#include "control/simulation/simulation.h"

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"

namespace causeway::simulation {
namespace {

constexpr uint64_t kSeeds = 10'000;
// Some mistakes need a rare order of things: they are found after thousands of seeds, on average.
constexpr uint64_t kSeedsForABug = 300'000;

// The first of as many seeds as a test tries; CAUSEWAY_SEED chooses another.
uint64_t FirstSeed() {
  const char* const seed = std::getenv("CAUSEWAY_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device()();
}

TEST(Simulation, KeepsEveryLawWhateverHappens) {
  spdlog::set_level(spdlog::level::off);
  const uint64_t first = FirstSeed();
  uint64_t restarts = 0;
  uint64_t names = 0;
  for (uint64_t seed = first; seed < first + kSeeds; ++seed) {
    const SimulationResult result = Simulate({.seed = seed});
    ASSERT_EQ(result.verdict, "") << "seed " << seed;
    restarts += result.restarts;
    names += result.names;
  }
  // Chance has to come to the interesting places.
  EXPECT_GT(restarts, kSeeds);
  EXPECT_GT(names, 10 * kSeeds);
}

TEST(Simulation, DoesTheSameAgainForTheSameSeed) {
  spdlog::set_level(spdlog::level::off);
  const uint64_t first = FirstSeed();
  for (uint64_t seed = first; seed < first + 100; ++seed) {
    const SimulationResult once = Simulate({.seed = seed, .tracing = true});
    const SimulationResult again = Simulate({.seed = seed, .tracing = true});
    ASSERT_EQ(absl::StrJoin(once.trace, "\n"), absl::StrJoin(again.trace, "\n")) << "seed " << seed;
  }
}

class PlantedBugs : public ::testing::TestWithParam<int> {};

TEST_P(PlantedBugs, AreFound) {
  spdlog::set_level(spdlog::level::off);
  const auto bug = static_cast<PlantedBug>(GetParam());
  const uint64_t first = FirstSeed();
  for (uint64_t seed = first; seed < first + kSeedsForABug; ++seed) {
    const SimulationResult result = Simulate({.seed = seed, .bug = bug});
    if (result.verdict.empty()) continue;
    std::cout << NameOf(bug) << ": after " << seed - first + 1 << " seeds: " << result.verdict
              << "\n";
    return;
  }
  FAIL() << NameOf(bug) << " was planted, and not found from seed " << first << " on";
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedBugs, ::testing::Range(1, kPlantedBugs + 1));

}  // namespace
}  // namespace causeway::simulation
