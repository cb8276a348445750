#include "control/state/limits.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;

TEST(Limits, TheDefaultsAreValid) { EXPECT_TRUE(ValidateLimits(Limits()).ok()); }

TEST(Limits, EachIsListedOnce) {
  // A limit that is added must be added to the list, too: all fields have one size. One of them,
  // huge_page_bytes, is no limit.
  EXPECT_EQ(LimitsByName(Limits()).size() + 1, sizeof(Limits) / sizeof(uint64_t));
}

TEST(Limits, WhatCannotBeIsNamed) {
  const auto refused = [](const Limits& limits, const std::string& words) {
    const absl::Status status = ValidateLimits(limits);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  };
  refused(Limits{.max_agents = 0}, "max_agents");
  refused(Limits{.max_frame_bytes = uint64_t{2} << 30}, "max_frame_bytes");
  refused(Limits{.default_segment_bytes = 5000}, "default_segment_bytes is 5000");
  refused(Limits{.max_capacity_bytes_per_lane = ~uint64_t{0}}, "max_capacity_bytes_per_lane");
}

TEST(Limits, AMetLimitSaysWhatToDo) {
  const absl::Status status = LimitMet("max_agents", 3, "3 sessions exist", "end some");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(std::string(status.message()),
            "max_agents (3) is met: 3 sessions exist; end some, or raise the coordinator's limit");
}

}  // namespace
}  // namespace causeway
