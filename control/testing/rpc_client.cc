#include "control/testing/rpc_client.h"

#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/error_details.h>

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control/api/v1/admin.grpc.pb.h"
#include "control/api/v1/agents.grpc.pb.h"

namespace causeway::testing {
namespace {

absl::Status FromRpcStatus(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status rich;
  if (grpc::ExtractErrorDetails(status, &rich).ok()) {
    for (const google::protobuf::Any& detail : rich.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

// A channel of its own: connections that earlier coordinators of the directory closed are not
// tried. One that was lost is made anew as soon as an agent's would be.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

template <typename Response, typename Stub, typename Request>
absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              Stub& stub, const std::string& token, const Request& request) {
  grpc::ClientContext context;
  if (!token.empty()) context.AddMetadata("causeway-token", absl::BytesToHexString(token));
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromRpcStatus(status);
  return response;
}

}  // namespace

struct AgentsClient::Impl {
  std::unique_ptr<v1::Agents::Stub> stub;
  std::string token;
};

AgentsClient::AgentsClient(const std::string& directory, const std::string& token)
    : impl_(std::make_unique<Impl>(
          Impl{v1::Agents::NewStub(NewChannel(directory + "/control.sock")), token})) {}
AgentsClient::~AgentsClient() = default;
AgentsClient::AgentsClient(AgentsClient&&) noexcept = default;

absl::StatusOr<v1::OpenWriterResponse> AgentsClient::OpenWriter(
    const v1::OpenWriterRequest& request) {
  return Call(&v1::Agents::Stub::OpenWriter, *impl_->stub, impl_->token, request);
}
absl::StatusOr<v1::GrantSegmentResponse> AgentsClient::GrantSegment(
    const v1::GrantSegmentRequest& request) {
  return Call(&v1::Agents::Stub::GrantSegment, *impl_->stub, impl_->token, request);
}
absl::Status AgentsClient::ReturnSegment(const v1::ReturnSegmentRequest& request) {
  return Call(&v1::Agents::Stub::ReturnSegment, *impl_->stub, impl_->token, request).status();
}
absl::Status AgentsClient::CloseWriter(const v1::CloseWriterRequest& request) {
  return Call(&v1::Agents::Stub::CloseWriter, *impl_->stub, impl_->token, request).status();
}
absl::StatusOr<v1::OpenReaderResponse> AgentsClient::OpenReader(
    const v1::OpenReaderRequest& request) {
  return Call(&v1::Agents::Stub::OpenReader, *impl_->stub, impl_->token, request);
}
absl::Status AgentsClient::ReleaseLane(const v1::ReleaseLaneRequest& request) {
  return Call(&v1::Agents::Stub::ReleaseLane, *impl_->stub, impl_->token, request).status();
}
absl::Status AgentsClient::CloseReader(const v1::CloseReaderRequest& request) {
  return Call(&v1::Agents::Stub::CloseReader, *impl_->stub, impl_->token, request).status();
}
absl::StatusOr<v1::OpenSplitResponse> AgentsClient::OpenSplit(const v1::OpenSplitRequest& request) {
  return Call(&v1::Agents::Stub::OpenSplit, *impl_->stub, impl_->token, request);
}
absl::StatusOr<v1::TakeExtentResponse> AgentsClient::TakeExtent(
    const v1::TakeExtentRequest& request) {
  return Call(&v1::Agents::Stub::TakeExtent, *impl_->stub, impl_->token, request);
}
absl::Status AgentsClient::CompleteExtent(const v1::CompleteExtentRequest& request) {
  return Call(&v1::Agents::Stub::CompleteExtent, *impl_->stub, impl_->token, request).status();
}
absl::Status AgentsClient::Detach() {
  return Call(&v1::Agents::Stub::Detach, *impl_->stub, impl_->token, v1::DetachRequest()).status();
}

struct AdminClient::Impl {
  std::unique_ptr<v1::Admin::Stub> stub;
};

AdminClient::AdminClient(const std::string& directory)
    : impl_(
          std::make_unique<Impl>(Impl{v1::Admin::NewStub(NewChannel(directory + "/admin.sock"))})) {
}
AdminClient::~AdminClient() = default;

absl::StatusOr<v1::DescribeCoordinatorResponse> AdminClient::DescribeCoordinator() {
  return Call(&v1::Admin::Stub::DescribeCoordinator, *impl_->stub, "",
              v1::DescribeCoordinatorRequest());
}
absl::StatusOr<v1::ListAgentsResponse> AdminClient::ListAgents() {
  return Call(&v1::Admin::Stub::ListAgents, *impl_->stub, "", v1::ListAgentsRequest());
}
absl::StatusOr<v1::ListFilesResponse> AdminClient::ListFiles() {
  return Call(&v1::Admin::Stub::ListFiles, *impl_->stub, "", v1::ListFilesRequest());
}
absl::StatusOr<v1::DescribeStreamResponse> AdminClient::DescribeStream(const std::string& name) {
  v1::DescribeStreamRequest request;
  request.set_name(name);
  return Call(&v1::Admin::Stub::DescribeStream, *impl_->stub, "", request);
}
absl::StatusOr<v1::CreateStreamResponse> AdminClient::CreateStream(
    const v1::CreateStreamRequest& request) {
  return Call(&v1::Admin::Stub::CreateStream, *impl_->stub, "", request);
}
absl::Status AdminClient::DeleteStream(const std::string& name) {
  v1::DeleteStreamRequest request;
  request.set_name(name);
  return Call(&v1::Admin::Stub::DeleteStream, *impl_->stub, "", request).status();
}
absl::Status AdminClient::EvictAgent(uint64_t session_id, const std::string& reason) {
  v1::EvictAgentRequest request;
  request.set_session_id(session_id);
  request.set_reason(reason);
  return Call(&v1::Admin::Stub::EvictAgent, *impl_->stub, "", request).status();
}

}  // namespace causeway::testing
