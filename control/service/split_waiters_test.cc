#include "control/service/split_waiters.h"

#include <thread>

#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(SplitWaiters, AChangeBetweenTheLookAndTheWaitIsNotMissed) {
  SplitWaiters waiters(10);
  SplitWaiters::Waiter waiter(&waiters, "job");
  waiters.Changed("job");
  EXPECT_TRUE(waiter.Wait(absl::InfiniteFuture()));
  EXPECT_FALSE(waiter.Wait(absl::Now()));  // Nothing new since.
}

TEST(SplitWaiters, AChangeWakesAWaiter) {
  SplitWaiters waiters(10);
  SplitWaiters::Waiter waiter(&waiters, "job");
  std::thread changer([&] { waiters.Changed("job"); });
  EXPECT_TRUE(waiter.Wait(absl::InfiniteFuture()));
  changer.join();
}

TEST(SplitWaiters, AnotherSplitsChangeDoesNot) {
  SplitWaiters waiters(10);
  SplitWaiters::Waiter waiter(&waiters, "job");
  waiters.Changed("other");
  EXPECT_FALSE(waiter.Wait(absl::Now() + absl::Milliseconds(1)));
}

TEST(SplitWaiters, AreSentHome) {
  SplitWaiters waiters(10);
  SplitWaiters::Waiter waiter(&waiters, "job");
  std::thread sender([&] { waiters.SendHome(); });
  EXPECT_FALSE(waiter.Wait(absl::InfiniteFuture()));
  sender.join();
  EXPECT_FALSE(waiter.Wait(absl::InfiniteFuture()));
}

TEST(SplitWaiters, DoNotOccupyMoreThreadsThanAllowed) {
  SplitWaiters waiters(0);
  SplitWaiters::Waiter waiter(&waiters, "job");
  EXPECT_FALSE(waiter.Wait(absl::InfiniteFuture()));
}

}  // namespace
}  // namespace causeway
