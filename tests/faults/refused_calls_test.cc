#include "tests/faults/refused_calls.h"

#include <cstdio>
#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway::faults {
namespace {

using ::testing::IsEmpty;

TEST(RefusedCalls, GiveAClearStatusAndAreGotOver) {
  RefusedCallsOptions options;
  const char* const seed = std::getenv("CAUSEWAY_SEED");
  options.seed = seed != nullptr ? std::strtoull(seed, nullptr, 10) : 1;
  options.trials = 24;
  std::printf("seed %lu (CAUSEWAY_SEED chooses another)\n", options.seed);
  const RefusedCallsSummary summary = RunRefusedCalls(options);
  std::printf("%s", ToText(summary).c_str());
  EXPECT_THAT(summary.violations, IsEmpty());
  EXPECT_EQ(summary.trials, options.trials);
}

// Who leaves a coordinator that can store nothing has to take leave of the next one.
TEST(RefusedCalls, AReaderThatLeavesAFailedStateHoldsNobodyUpLater) {
  RefusedCallsOptions options;
  options.trials = 8;
  options.side = "start";
  options.call = "fdatasync";
  EXPECT_THAT(RunRefusedCalls(options).violations, IsEmpty());
}

// gRPC would never listen again.
TEST(RefusedCalls, AConnectionThatCannotBeAcceptedIsNotTheLast) {
  RefusedCallsOptions options;
  options.trials = 4;
  options.side = "coordinator";
  for (const char* call : {"accept4", "getpeername"}) {
    options.call = call;
    EXPECT_THAT(RunRefusedCalls(options).violations, IsEmpty());
  }
}

}  // namespace
}  // namespace causeway::faults
