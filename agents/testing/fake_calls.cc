#include "agents/testing/fake_calls.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cstdlib>
#include <utility>

#include "control/api/v1/agents.grpc.pb.h"

namespace causeway {

struct FakeCalls::Impl final : public v1::Agents::Service {
  explicit Impl(grpc::Status status) : answer(std::move(status)) {}

  grpc::Status GrantSegment(grpc::ServerContext*, const v1::GrantSegmentRequest*,
                            v1::GrantSegmentResponse*) override {
    return answer;
  }
  grpc::Status Detach(grpc::ServerContext*, const v1::DetachRequest*,
                      v1::DetachResponse*) override {
    return answer;
  }

  const grpc::Status answer;
  std::unique_ptr<grpc::Server> server;
};

FakeCalls::FakeCalls(const std::string& dir, absl::StatusCode code, const std::string& message,
                     const std::string& details)
    : impl_(std::make_unique<Impl>(
          grpc::Status(static_cast<grpc::StatusCode>(code), message, details))) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + dir + "/control.sock", grpc::InsecureServerCredentials());
  builder.RegisterService(impl_.get());
  impl_->server = builder.BuildAndStart();
  if (impl_->server == nullptr) std::abort();
}

FakeCalls::~FakeCalls() { impl_->server->Shutdown(); }

}  // namespace causeway
