#include <grpcpp/server_context.h>

#include <type_traits>
#include <utility>

#include "control/api/v1/admin.grpc.pb.h"
#include "control/service/rpc_status.h"
#include "control/service/services.h"

namespace causeway {
namespace {

template <typename Response>
grpc::Status Answer(absl::StatusOr<Response> result, Response* response) {
  if (!result.ok()) return ToRpcStatus(result.status());
  *response = *std::move(result);
  return grpc::Status::OK;
}

class AdminService final : public v1::Admin::Service {
 public:
  explicit AdminService(AdminCalls* calls) : calls_(*calls) {}

  grpc::Status DescribeCoordinator(grpc::ServerContext*, const v1::DescribeCoordinatorRequest*,
                                   v1::DescribeCoordinatorResponse* response) override {
    return Answer(calls_.DescribeCoordinator(), response);
  }

  grpc::Status ListAgents(grpc::ServerContext*, const v1::ListAgentsRequest* request,
                          v1::ListAgentsResponse* response) override {
    return Answer(calls_.ListAgents(*request), response);
  }

  grpc::Status DescribeAgent(grpc::ServerContext*, const v1::DescribeAgentRequest* request,
                             v1::DescribeAgentResponse* response) override {
    return Answer(calls_.DescribeAgent(*request), response);
  }

  grpc::Status EvictAgent(grpc::ServerContext*, const v1::EvictAgentRequest* request,
                          v1::EvictAgentResponse*) override {
    return ToRpcStatus(calls_.EvictAgent(*request));
  }

  grpc::Status ListFiles(grpc::ServerContext*, const v1::ListFilesRequest* request,
                         v1::ListFilesResponse* response) override {
    return Answer(calls_.ListFiles(*request), response);
  }

  grpc::Status DescribeFile(grpc::ServerContext*, const v1::DescribeFileRequest* request,
                            v1::DescribeFileResponse* response) override {
    return Answer(calls_.DescribeFile(*request), response);
  }

  grpc::Status ListExtents(grpc::ServerContext*, const v1::ListExtentsRequest* request,
                           v1::ListExtentsResponse* response) override {
    return Answer(calls_.ListExtents(*request), response);
  }

  grpc::Status ListStreams(grpc::ServerContext*, const v1::ListStreamsRequest* request,
                           v1::ListStreamsResponse* response) override {
    return Answer(calls_.ListStreams(*request), response);
  }

  grpc::Status DescribeStream(grpc::ServerContext*, const v1::DescribeStreamRequest* request,
                              v1::DescribeStreamResponse* response) override {
    return Answer(calls_.DescribeStream(*request), response);
  }

  grpc::Status CreateStream(grpc::ServerContext*, const v1::CreateStreamRequest* request,
                            v1::CreateStreamResponse* response) override {
    return Answer(calls_.CreateStream(*request), response);
  }

  grpc::Status DeleteStream(grpc::ServerContext*, const v1::DeleteStreamRequest* request,
                            v1::DeleteStreamResponse*) override {
    return ToRpcStatus(calls_.DeleteStream(*request));
  }

 private:
  AdminCalls& calls_;
};

}  // namespace

std::shared_ptr<grpc::Service> NewAdminService(AdminCalls* calls) {
  return std::make_shared<AdminService>(calls);
}

}  // namespace causeway
