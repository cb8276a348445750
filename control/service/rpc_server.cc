#include "control/service/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/directory/unix_socket.h"
#include "control/handoff/listener.h"
#include "control/log/log.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using Acceptor = grpc::experimental::ExternalConnectionAcceptor;
using Building = grpc::ServerBuilder::experimental_type;

}  // namespace

struct RpcServer::Impl {
  std::shared_ptr<grpc::Service> service;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<Listener> listener;
};

RpcServer::RpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RpcServer::~RpcServer() { Shutdown(); }

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(EventLoop* loop,
                                                            const std::string& path,
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
  std::unique_ptr<Acceptor> acceptor = builder.experimental().AddExternalConnectionAcceptor(
      Building::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  builder.RegisterService(service.get());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    return absl::UnavailableError(absl::StrCat("no gRPC server can be started for ", path));
  }
  absl::StatusOr<UniqueFd> listening = ListenStream(path);
  if (!listening.ok()) return listening.status();
  const int listener_fd = listening->get();
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Start(
      loop, path, *std::move(listening),
      [acceptor = acceptor.get(), listener_fd](UniqueFd socket) {
        Acceptor::NewConnectionParameters connection;
        connection.listener_fd = listener_fd;
        connection.fd = socket.Release();
        acceptor->HandleNewConnection(&connection);
      },
      [](int) {
        Log(LogLevel::kError, "call refused",
            {{"reason", "no descriptor is left: raise the limit of open files (ulimit -n)"}});
      });
  if (!listener.ok()) return listener.status();
  return std::unique_ptr<RpcServer>(
      new RpcServer(std::make_unique<Impl>(Impl{.service = std::move(service),
                                                .server = std::move(server),
                                                .acceptor = std::move(acceptor),
                                                .listener = *std::move(listener)})));
}

void RpcServer::Shutdown() {
  impl_->listener->Close();
  impl_->server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace causeway
