// A short run of what crash_matrix_main.cc runs for hours. CAUSEWAY_SEED=N repeats one.

#include "tests/faults/crash_matrix.h"

#include <cstdio>
#include <cstdlib>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway::faults {
namespace {

using ::testing::IsEmpty;

TEST(CrashMatrix, SurvivorsLoseNothingAndGoOn) {
  CrashMatrixOptions options;
  const char* const seed = std::getenv("CAUSEWAY_SEED");
  options.seed = seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device()();
  options.cycles = 200;
  options.cycles_per_rest = 100;
  std::printf("seed %lu (CAUSEWAY_SEED=%lu repeats it)\n", options.seed, options.seed);
  const CrashMatrixSummary summary = RunCrashMatrix(options);
  std::printf("%s", ToText(summary).c_str());
  EXPECT_THAT(summary.violations, IsEmpty());
  EXPECT_GT(summary.kills, 0u);
  EXPECT_GT(summary.frames, 0u);
}

}  // namespace
}  // namespace causeway::faults
