#include "control/service/rpc_status.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/support/error_details.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/strings/cord.h"
#include "control/service/error_details.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(RpcStatus, KeepsCodeMessageAndDetails) {
  const grpc::Status status = ToRpcStatus(
      WithDetail(absl::InvalidArgumentError("length 5 is not whole pages"), {.field = "length"}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "length 5 is not whole pages");
  google::rpc::Status rich;
  ASSERT_TRUE(grpc::ExtractErrorDetails(status, &rich).ok());
  google::rpc::BadRequest detail;
  ASSERT_EQ(rich.details_size(), 1);
  ASSERT_TRUE(rich.details(0).UnpackTo(&detail));
  EXPECT_EQ(detail.field_violations(0).field(), "length");
}

TEST(RpcStatus, WithoutDetailsIsPlain) {
  EXPECT_TRUE(ToRpcStatus(absl::OkStatus()).ok());
  const grpc::Status status = ToRpcStatus(absl::UnavailableError("later"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_details(), "");
}

// Not so of one code: gRPC itself uses it, too.
TEST(RpcStatus, OfALimitHasADetailAtLeast) {
  for (const absl::Status& limit :
       {absl::ResourceExhaustedError("max_calls_per_agent"),
        // Its own detail is too long to travel.
        WithDetail(absl::ResourceExhaustedError(std::string(100'000, 'x')),
                   {.resource_type = "causeway.v1.Lane", .resource_name = "7"})}) {
    const grpc::Status status = ToRpcStatus(limit);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    google::rpc::Status rich;
    ASSERT_TRUE(grpc::ExtractErrorDetails(status, &rich).ok());
    google::rpc::QuotaFailure detail;
    ASSERT_EQ(rich.details_size(), 1);
    ASSERT_TRUE(rich.details(0).UnpackTo(&detail));
    EXPECT_EQ(detail.violations(0).subject(), "causeway.v1.Coordinator");
    EXPECT_LT(status.error_message().size() + status.error_details().size(), 8192u);
  }
}

TEST(RpcStatus, LeavesOutPayloadsThatAreNoDetails) {
  absl::Status status = absl::InternalError("x");
  status.SetPayload("elsewhere/secret", absl::Cord("y"));
  EXPECT_EQ(ToRpcStatus(status).error_details(), "");
}

TEST(RpcStatus, FitsIntoAHeader) {
  const grpc::Status status = ToRpcStatus(
      WithDetail(absl::InvalidArgumentError(std::string(100'000, 'x')), {.field = "f"}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_LT(status.error_message().size() + status.error_details().size(), 8192u);
}

}  // namespace
}  // namespace causeway
