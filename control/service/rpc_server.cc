#include "control/service/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/epoll.h>

#include <chrono>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "control/directory/unix_socket.h"
#include "control/log/log.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

namespace {

using Acceptor = grpc::experimental::ExternalConnectionAcceptor;
using Building = grpc::ServerBuilder::experimental_type;

constexpr int kAcceptsPerTurn = 16;

// Where connections come in.
class Door {
 public:
  Door(UniqueFd listening, std::unique_ptr<Acceptor> acceptor)
      : listening_(std::move(listening)), acceptor_(std::move(acceptor)) {}

  int listening() {
    absl::MutexLock lock(&mutex_);
    return listening_.get();
  }

  void AcceptSome() {
    absl::MutexLock lock(&mutex_);
    for (int i = 0; i < kAcceptsPerTurn && listening_.valid(); ++i) {
      UniqueFd socket = AcceptConnection(listening_.get(), spare_, [](int) {
        Log(LogLevel::kError, "call refused",
            {{"reason", "no descriptor is left: raise the limit of open files (ulimit -n)"}});
      });
      if (!socket.valid()) return;
      Acceptor::NewConnectionParameters connection;
      connection.listener_fd = listening_.get();
      connection.fd = socket.Release();
      acceptor_->HandleNewConnection(&connection);
    }
  }

  void Close() {
    absl::MutexLock lock(&mutex_);
    listening_.Reset();
  }

 private:
  absl::Mutex mutex_;
  UniqueFd listening_ ABSL_GUARDED_BY(mutex_);
  UniqueFd spare_ ABSL_GUARDED_BY(mutex_) = SpareDescriptor();
  const std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace

struct RpcServer::Impl {
  std::shared_ptr<grpc::Service> service;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<Door> door;
  EventLoop* loop;  // null once it is shut down
  EventLoop::WatchId watch;
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
  const auto door = std::make_shared<Door>(*std::move(listening), std::move(acceptor));
  absl::StatusOr<EventLoop::WatchId> watch =
      loop->Add(door->listening(), EPOLLIN, [door](uint32_t) { door->AcceptSome(); });
  if (!watch.ok()) return watch.status();
  return std::unique_ptr<RpcServer>(
      new RpcServer(std::make_unique<Impl>(Impl{.service = std::move(service),
                                                .server = std::move(server),
                                                .door = door,
                                                .loop = loop,
                                                .watch = *watch})));
}

void RpcServer::Shutdown() {
  if (impl_->loop == nullptr) return;
  impl_->loop->Remove(impl_->watch);
  impl_->loop = nullptr;
  impl_->door->Close();
  impl_->server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace causeway
