#include "control/service/call_limiter.h"

#include <optional>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

TEST(CallLimiter, NamesTheLimitToTheOffenderAndServesTheOthers) {
  CallLimiter limiter(2);
  const auto first = limiter.Enter("a");
  std::optional<absl::StatusOr<CallLimiter::Place>> second = limiter.Enter("a");
  EXPECT_THAT(*second, IsOk());
  EXPECT_THAT(limiter.Enter("a"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_calls_per_agent")));
  EXPECT_THAT(limiter.Enter("b"), IsOk());
  second.reset();
  EXPECT_THAT(limiter.Enter("a"), IsOk());
}

TEST(CallLimiter, APlaceThatWasMovedIsOnePlace) {
  CallLimiter limiter(1);
  {
    auto first = limiter.Enter("a");
    CallLimiter::Place moved = *std::move(first);
    EXPECT_FALSE(limiter.Enter("a").ok());
  }
  EXPECT_THAT(limiter.Enter("a"), IsOk());
}

TEST(CallLimiter, ClosesWhenTheLastCallHasEnded) {
  CallLimiter limiter(1);
  std::optional<absl::StatusOr<CallLimiter::Place>> running = limiter.Enter("a");
  limiter.Close(absl::Now());  // Does not wait for ever.
  EXPECT_THAT(limiter.Enter("b"), StatusIs(absl::StatusCode::kUnavailable));
  std::thread ending([&] { running.reset(); });
  limiter.Close(absl::InfiniteFuture());
  ending.join();
}

}  // namespace
}  // namespace causeway
