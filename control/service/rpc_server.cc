#include "control/service/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway {

struct RpcServer::Impl {
  std::shared_ptr<grpc::Service> service;
  std::unique_ptr<grpc::Server> server;
};

RpcServer::RpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RpcServer::~RpcServer() { Shutdown(); }

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const std::string& path,
                                                            std::shared_ptr<grpc::Service> service,
                                                            const RpcLimits& limits) {
  static std::once_flag plugins;
  std::call_once(plugins, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(limits.max_threads);
  quota.Resize(limits.max_memory_bytes);
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits.max_request_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(limits.max_response_bytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  int port = 0;
  builder.AddListeningPort(absl::StrCat("unix:", path), grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service.get());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("no gRPC server can be started at ", path));
  }
  if (chmod(path.c_str(), 0600) != 0) {
    return StatusFromErrno(errno, {.operation = "chmod", .path = path});
  }
  return std::unique_ptr<RpcServer>(new RpcServer(
      std::make_unique<Impl>(Impl{.service = std::move(service), .server = std::move(server)})));
}

void RpcServer::Shutdown() { impl_->server->Shutdown(std::chrono::system_clock::now()); }

}  // namespace causeway
