#include "control/service/rpc_status.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/support/error_details.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"

namespace causeway {
namespace {

// gRPC's peers accept headers of 8 KiB in all; the message travels twice where there are details.
constexpr size_t kMaxMessageBytes = 2048;
constexpr size_t kMaxDetailBytes = 3072;

// A limit that has no resource of its own.
google::rpc::QuotaFailure OfTheCoordinator() {
  google::rpc::QuotaFailure detail;
  detail.add_violations()->set_subject("causeway.v1.Coordinator");
  return detail;
}

std::string Cut(absl::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  return std::string(message.substr(0, kMaxMessageBytes)) + "...";
}

}  // namespace

grpc::Status ToRpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(Cut(status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (!absl::StartsWith(url, "type.googleapis.com/") || payload.size() > kMaxDetailBytes) return;
    google::protobuf::Any* detail = rich.add_details();
    detail->set_type_url(std::string(url));
    detail->set_value(std::string(payload));
  });
  grpc::Status plain(static_cast<grpc::StatusCode>(rich.code()), rich.message());
  if (status.code() == absl::StatusCode::kResourceExhausted && rich.details().empty()) {
    rich.add_details()->PackFrom(OfTheCoordinator());
  }
  if (rich.details().empty()) return plain;
  grpc::Status detailed;
  return grpc::SetErrorDetails(rich, &detailed).ok() ? detailed : plain;
}

}  // namespace causeway
