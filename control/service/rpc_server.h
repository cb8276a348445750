// A gRPC server on a Unix socket.

#ifndef CAUSEWAY_CONTROL_SERVICE_RPC_SERVER_H_
#define CAUSEWAY_CONTROL_SERVICE_RPC_SERVER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "control/handoff/event_loop.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace causeway {

struct RpcLimits {
  size_t max_request_bytes = 64 * 1024;  // a longer message is RESOURCE_EXHAUSTED
  // Of messages on their way in and out, more or less. gRPC holds a request as a whole before it
  // looks at its length; beyond this it cancels calls (RESOURCE_EXHAUSTED, UNAVAILABLE) or closes
  // connections, of anybody.
  size_t max_memory_bytes = 256 * 1024 * 1024;
  size_t max_response_bytes = 64 * 1024 * 1024;
  int max_concurrent_streams = 64;  // calls of one connection; more wait at the client
  int max_threads = 128;            // of the server
};

// Serves until it is shut down. Reflection and grpc.health.v1 are on.
class RpcServer {
 public:
  // Listens on the Unix socket `path`, mode 0600, and answers for `service`. Connections are
  // accepted on the thread of `loop`, which must be stopped between Shutdown() and this object's
  // end: gRPC's own listener ends for good with the first connection that it cannot accept, as
  // when no descriptor is left.
  //
  // AlreadyExists: something is there. ResourceExhausted: no descriptor is left. Unavailable: gRPC
  // cannot start.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(EventLoop* loop, const std::string& path,
                                                          std::shared_ptr<grpc::Service> service,
                                                          const RpcLimits& limits);

  // Shutdown().
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // Takes no more calls, cancels those that run and waits for them to return. At once, for gRPC
  // would wait for clients that are merely connected, too. Idempotent.
  void Shutdown();

 private:
  struct Impl;
  explicit RpcServer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_RPC_SERVER_H_
