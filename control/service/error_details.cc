#include "control/service/error_details.h"

#include <google/rpc/error_details.pb.h>

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace causeway {
namespace {

absl::Status WithPayload(absl::Status status, const google::protobuf::Message& detail) {
  const std::string url = absl::StrCat("type.googleapis.com/", detail.GetDescriptor()->full_name());
  if (!status.GetPayload(url).has_value()) {
    status.SetPayload(url, absl::Cord(detail.SerializeAsString()));
  }
  return status;
}

}  // namespace

absl::Status WithDetail(absl::Status status, const ErrorSubject& subject) {
  const std::string description(status.message());
  const std::string resource_type(subject.resource_type);
  const std::string resource = absl::StrCat(resource_type, "/", subject.resource_name);
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange: {
      if (subject.field.empty()) return status;
      google::rpc::BadRequest detail;
      google::rpc::BadRequest::FieldViolation* violation = detail.add_field_violations();
      violation->set_field(std::string(subject.field));
      violation->set_description(description);
      return WithPayload(std::move(status), detail);
    }
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied: {
      if (resource_type.empty()) return status;
      google::rpc::ResourceInfo detail;
      detail.set_resource_type(resource_type);
      detail.set_resource_name(subject.resource_name);
      detail.set_description(description);
      return WithPayload(std::move(status), detail);
    }
    case absl::StatusCode::kResourceExhausted: {
      if (resource_type.empty()) return status;
      google::rpc::QuotaFailure detail;
      google::rpc::QuotaFailure::Violation* violation = detail.add_violations();
      violation->set_subject(resource);
      violation->set_description(description);
      return WithPayload(std::move(status), detail);
    }
    case absl::StatusCode::kFailedPrecondition: {
      if (resource_type.empty()) return status;
      google::rpc::PreconditionFailure detail;
      google::rpc::PreconditionFailure::Violation* violation = detail.add_violations();
      violation->set_type(resource_type);
      violation->set_subject(subject.resource_name);
      violation->set_description(description);
      return WithPayload(std::move(status), detail);
    }
    default:
      return status;
  }
}

}  // namespace causeway
