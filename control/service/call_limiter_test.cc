#include "control/service/call_limiter.h"

#include <optional>
#include <utility>

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

}  // namespace
}  // namespace causeway
