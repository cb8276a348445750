// How an agent takes what its calls come back with.

#include "agents/control_client.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "agents/testing/fake_calls.h"
#include "agents/testing/fake_coordinator.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

constexpr char kDetails[] = "the binary details";

// What a call says that is answered so.
absl::Status Called(absl::StatusCode code, const std::string& message, const std::string& details) {
  const FakeCoordinator coordinator;
  const FakeCalls calls(coordinator.dir(), code, message, details);
  ControlClient client(coordinator.dir(), absl::InfiniteDuration());
  if (absl::Status status = client.Connect("token"); !status.ok()) return status;
  return client.Call(v1::GrantSegmentRequest()).status();
}

TEST(ControlClientTest, PassesOnWhatTheCoordinatorSays) {
  const absl::Status status =
      Called(absl::StatusCode::kResourceExhausted, "the lane's capacity", kDetails);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "GrantSegment: the lane's capacity");
  EXPECT_EQ(status.GetPayload("type.googleapis.com/google.rpc.Status"), absl::Cord(kDetails));
}

// They pass: the lane, or whatever is asked for, has nothing to do with it.
TEST(ControlClientTest, WhatMayBeOtherwiseAnotherTimeIsUnavailable) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kUnavailable, absl::StatusCode::kUnauthenticated,
        absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kCancelled,
        // Without details: gRPC, which has no memory for the call.
        absl::StatusCode::kResourceExhausted}) {
    const absl::Status status = Called(code, "Received RST_STREAM with error code 11", "");
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << absl::StatusCodeToString(code);
  }
}

}  // namespace
}  // namespace causeway
