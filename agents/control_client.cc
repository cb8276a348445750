#include "agents/control_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/socket_path.h"
#include "control/api/v1/agents.grpc.pb.h"

namespace causeway {
namespace {

// Whoever detaches is about to go: not to be kept by a coordinator that hangs.
constexpr absl::Duration kDetachTimeout = absl::Seconds(3);

constexpr char kTokenKey[] = "causeway-token";
constexpr char kDetailsUrl[] = "type.googleapis.com/google.rpc.Status";

absl::Status FromGrpc(const char* name, const grpc::Status& status) {
  // What gRPC itself reports is told from what the coordinator says by the code alone: the contract
  // uses UNAVAILABLE for "try again", too.
  absl::StatusCode code = static_cast<absl::StatusCode>(status.error_code());
  // A coordinator that was just started does not know the token before the session was resumed; one
  // that will never know it says so there.
  if (code == absl::StatusCode::kUnauthenticated) code = absl::StatusCode::kUnavailable;
  if (code == absl::StatusCode::kDeadlineExceeded || code == absl::StatusCode::kCancelled) {
    code = absl::StatusCode::kUnavailable;
  }
  // The coordinator's own refusals have details. This is gRPC, whose memory for messages somebody
  // else fills at the moment.
  if (code == absl::StatusCode::kResourceExhausted && status.error_details().empty()) {
    code = absl::StatusCode::kUnavailable;
  }
  absl::Status result(code, absl::StrCat(name, ": ", status.error_message()));
  if (!status.error_details().empty()) {
    result.SetPayload(kDetailsUrl, absl::Cord(status.error_details()));
  }
  return result;
}

}  // namespace

struct ControlClient::Connection {
  SocketPath path;  // Holds the descriptor that a long path is reached through.
  std::unique_ptr<v1::Agents::Stub> stub;
  std::string token_hex;
};

struct ControlClient::Running {
  grpc::ClientContext context;
};

ControlClient::ControlClient(std::string dir, absl::Duration call_timeout)
    : dir_(std::move(dir)), call_timeout_(call_timeout) {}

ControlClient::~ControlClient() = default;

absl::Status ControlClient::Connect(const std::string& token) {
  absl::StatusOr<SocketPath> path = SocketPath::Resolve(dir_, "control.sock");
  if (!path.ok()) return path.status();
  grpc::ChannelArguments arguments;
  // Without this a new channel would share the old one's connection, and its pause before a retry.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  // In spite of its name: how long one attempt to connect may take. A coordinator that is gone
  // refuses at once; one that is slow is not made faster by another attempt.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  auto channel = grpc::CreateCustomChannel(absl::StrCat("unix:", path->path()),
                                           grpc::InsecureChannelCredentials(), arguments);
  auto connection = std::make_shared<Connection>(
      Connection{*std::move(path), v1::Agents::NewStub(channel), absl::BytesToHexString(token)});
  absl::MutexLock lock(&mutex_);
  connection_ = std::move(connection);
  return absl::OkStatus();
}

template <typename Request, typename Response, typename Method>
absl::StatusOr<Response> ControlClient::Run(const char* name, const Request& request, Method method,
                                            absl::Duration timeout) {
  Running running;
  std::shared_ptr<Connection> connection;
  {
    absl::MutexLock lock(&mutex_);
    connection = connection_;
    running_.push_back(&running);
  }
  const absl::Cleanup done = [this, &running] {
    absl::MutexLock lock(&mutex_);
    std::erase(running_, &running);
  };
  if (connection == nullptr) {
    return absl::UnavailableError(absl::StrCat(name, ": not attached to a coordinator yet"));
  }
  running.context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  running.context.AddMetadata(kTokenKey, connection->token_hex);
  Response response;
  const grpc::Status status =
      (connection->stub.get()->*method)(&running.context, request, &response);
  if (status.ok()) return response;
  return FromGrpc(name, status);
}

#define CAUSEWAY_CALL(name)                                                              \
  absl::StatusOr<v1::name##Response> ControlClient::Call(const v1::name##Request& r) {   \
    return Run<v1::name##Request, v1::name##Response>(#name, r, &v1::Agents::Stub::name, \
                                                      call_timeout_);                    \
  }

CAUSEWAY_CALL(OpenWriter)
CAUSEWAY_CALL(GrantSegment)
CAUSEWAY_CALL(ReturnSegment)
CAUSEWAY_CALL(CloseWriter)
CAUSEWAY_CALL(OpenReader)
CAUSEWAY_CALL(ReleaseLane)
CAUSEWAY_CALL(CloseReader)
CAUSEWAY_CALL(OpenSplit)
CAUSEWAY_CALL(CompleteExtent)
CAUSEWAY_CALL(DescribeSplit)
CAUSEWAY_CALL(CloseSplit)

#undef CAUSEWAY_CALL

absl::StatusOr<v1::TakeExtentResponse> ControlClient::Call(const v1::TakeExtentRequest& r) {
  return Run<v1::TakeExtentRequest, v1::TakeExtentResponse>(
      "TakeExtent", r, &v1::Agents::Stub::TakeExtent,
      call_timeout_ + absl::Milliseconds(r.wait_ms()));
}

absl::StatusOr<v1::DetachResponse> ControlClient::Call(const v1::DetachRequest& r) {
  return Run<v1::DetachRequest, v1::DetachResponse>("Detach", r, &v1::Agents::Stub::Detach,
                                                    std::min(call_timeout_, kDetachTimeout));
}

void ControlClient::CancelCalls() {
  absl::MutexLock lock(&mutex_);
  for (Running* running : running_) running->context.TryCancel();
}

}  // namespace causeway
