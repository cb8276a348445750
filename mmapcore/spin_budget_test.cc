#include "mmapcore/spin_budget.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"

namespace causeway {
namespace {

constexpr int64_t kMaxNanos = 2'000'000;

TEST(SpinBudget, OfNothingNeverLooks) {
  SpinBudget budget(0);
  EXPECT_FALSE(budget.SpinUntil(Deadline::Infinite(), [] { return true; }));
}

TEST(SpinBudget, EndsWithTheFirstLookThatFindsSomething) {
  SpinBudget budget(kMaxNanos);
  int looks = 0;
  EXPECT_TRUE(budget.SpinUntil(Deadline::Infinite(), [&] { return ++looks == 5; }));
  EXPECT_EQ(looks, 5);
}

TEST(SpinBudget, EndsWithTheDeadline) {
  SpinBudget budget(absl::ToInt64Nanoseconds(absl::Hours(1)));
  EXPECT_FALSE(budget.SpinUntil(Deadline::Passed(), [] { return false; }));
}

// How long a spin that finds nothing takes, at least.
int64_t NanosInVain(SpinBudget& budget) {
  const int64_t before = Deadline::NowNanos();
  EXPECT_FALSE(budget.SpinUntil(Deadline::Infinite(), [] { return false; }));
  return Deadline::NowNanos() - before;
}

TEST(SpinBudget, HalvesWithEachSpinInVainAndDoublesWithEachThatFindsSomething) {
  SpinBudget budget(kMaxNanos);
  EXPECT_GE(NanosInVain(budget), kMaxNanos);
  EXPECT_GE(NanosInVain(budget), kMaxNanos / 2);
  // However slow the machine is: down to so little that one batch of looks is enough.
  for (int i = 0; i < 20; ++i) NanosInVain(budget);
  int looks = 0;
  EXPECT_FALSE(budget.SpinUntil(Deadline::Infinite(), [&] {
    ++looks;
    const int64_t then = Deadline::NowNanos() + 1000;
    while (Deadline::NowNanos() < then) {
    }
    return false;
  }));
  EXPECT_LE(looks, 100);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(budget.SpinUntil(Deadline::Infinite(), [] { return true; }));
  }
  EXPECT_GE(NanosInVain(budget), kMaxNanos);
}

}  // namespace
}  // namespace causeway
