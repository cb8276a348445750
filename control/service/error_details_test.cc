#include "control/service/error_details.h"

#include <google/rpc/error_details.pb.h>

#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

const ErrorSubject kSubject = {
    .field = "length", .resource_type = "causeway.v1.Lane", .resource_name = "7"};

template <typename Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload =
      status.GetPayload(absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  Detail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

TEST(ErrorDetails, NameTheFieldOfABadArgument) {
  for (const absl::Status& status :
       {absl::InvalidArgumentError("too short"), absl::OutOfRangeError("too short")}) {
    const auto detail = DetailOf<google::rpc::BadRequest>(WithDetail(status, kSubject));
    ASSERT_TRUE(detail.has_value());
    EXPECT_EQ(detail->field_violations(0).field(), "length");
    EXPECT_EQ(detail->field_violations(0).description(), "too short");
  }
}

TEST(ErrorDetails, NameTheResource) {
  const auto missing =
      DetailOf<google::rpc::ResourceInfo>(WithDetail(absl::NotFoundError("none"), kSubject));
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->resource_type(), "causeway.v1.Lane");
  EXPECT_EQ(missing->resource_name(), "7");

  const auto quota = DetailOf<google::rpc::QuotaFailure>(
      WithDetail(absl::ResourceExhaustedError("full"), kSubject));
  ASSERT_TRUE(quota.has_value());
  EXPECT_EQ(quota->violations(0).subject(), "causeway.v1.Lane/7");

  const auto fenced = DetailOf<google::rpc::PreconditionFailure>(
      WithDetail(absl::FailedPreconditionError("ended"), kSubject));
  ASSERT_TRUE(fenced.has_value());
  EXPECT_EQ(fenced->violations(0).subject(), "7");
}

TEST(ErrorDetails, OfTheOneWhoKnewMoreAreKept) {
  const absl::Status inner =
      WithDetail(absl::InvalidArgumentError("bad"), {.field = "create_options.segment_bytes"});
  const auto detail = DetailOf<google::rpc::BadRequest>(WithDetail(inner, kSubject));
  EXPECT_EQ(detail->field_violations(0).field(), "create_options.segment_bytes");
}

TEST(ErrorDetails, AreNotAddedToWhatHasNone) {
  EXPECT_TRUE(WithDetail(absl::OkStatus(), kSubject).ok());
  EXPECT_EQ(WithDetail(absl::UnavailableError("later"), kSubject), absl::UnavailableError("later"));
  EXPECT_EQ(WithDetail(absl::NotFoundError("none"), {}), absl::NotFoundError("none"));
}

}  // namespace
}  // namespace causeway
