#include "agents/cli/admin_client.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/cli/attach.h"
#include "control/api/v1/admin.grpc.pb.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

struct AdminClient::Connection {
  std::string dir;
  UniqueFd dir_fd;  // the channel's address goes through it
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Admin::Stub> stub;
};

namespace {

constexpr std::chrono::seconds kCallTimeout{10};

// The codes are the same.
absl::Status FromGrpc(const grpc::Status& status, const std::string& dir) {
  if (status.ok()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return absl::UnavailableError(
        absl::StrCat("no coordinator answers in ", dir, " (", status.error_message(), ")"));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// One call of `method`.
template <typename Request, typename Response>
absl::StatusOr<Response> Call(v1::Admin::Stub& stub, const std::string& dir,
                              grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                              const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status, dir);
  return response;
}

// Every page of a list; `entries` takes the entries out of an answer.
template <typename Entry, typename Request, typename Response, typename Entries>
absl::StatusOr<std::vector<Entry>> List(
    v1::Admin::Stub& stub, const std::string& dir,
    grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    size_t limit, Entries entries) {
  std::vector<Entry> all;
  Request request;
  while (true) {
    absl::StatusOr<Response> page = Call(stub, dir, method, request);
    if (!page.ok()) return page.status();
    for (Entry& entry : *entries(*page)) {
      if (limit != 0 && all.size() == limit) return all;
      all.push_back(std::move(entry));
    }
    if (page->next_page_token().empty()) return all;
    request.set_page_token(page->next_page_token());
  }
}

}  // namespace

absl::StatusOr<AdminClient> AdminClient::Connect(const std::string& dir) {
  if (absl::Status status = CheckCoordinatorDirectory(dir); !status.ok()) return status;
  auto connection = std::make_unique<Connection>();
  connection->dir = dir;
  connection->dir_fd.Reset(open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!connection->dir_fd.valid()) {
    return StatusFromErrno(errno, {.operation = "open", .path = dir});
  }
  // The address of a Unix socket holds 107 bytes; a directory's path may be longer.
  connection->channel = grpc::CreateChannel(
      absl::StrCat("unix:/proc/self/fd/", connection->dir_fd.get(), "/admin.sock"),
      grpc::InsecureChannelCredentials());
  connection->stub = v1::Admin::NewStub(connection->channel);
  return AdminClient(std::move(connection));
}

AdminClient::AdminClient(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
AdminClient::AdminClient(AdminClient&&) noexcept = default;
AdminClient& AdminClient::operator=(AdminClient&&) noexcept = default;
AdminClient::~AdminClient() = default;

absl::StatusOr<v1::DescribeCoordinatorResponse> AdminClient::DescribeCoordinator() const {
  return Call(*connection_->stub, connection_->dir, &v1::Admin::Stub::DescribeCoordinator,
              v1::DescribeCoordinatorRequest());
}

absl::StatusOr<std::vector<v1::Stream>> AdminClient::ListStreams(size_t limit) const {
  return List<v1::Stream>(*connection_->stub, connection_->dir, &v1::Admin::Stub::ListStreams,
                          limit, [](auto& page) { return page.mutable_streams(); });
}

absl::StatusOr<std::vector<v1::Agent>> AdminClient::ListAgents(size_t limit) const {
  return List<v1::Agent>(*connection_->stub, connection_->dir, &v1::Admin::Stub::ListAgents, limit,
                         [](auto& page) { return page.mutable_agents(); });
}

absl::StatusOr<std::vector<v1::GrantedExtent>> AdminClient::ListExtents(size_t limit) const {
  return List<v1::GrantedExtent>(*connection_->stub, connection_->dir,
                                 &v1::Admin::Stub::ListExtents, limit,
                                 [](auto& page) { return page.mutable_extents(); });
}

absl::StatusOr<v1::DescribeStreamResponse> AdminClient::DescribeStream(
    const std::string& name) const {
  v1::DescribeStreamRequest request;
  request.set_name(name);
  return Call(*connection_->stub, connection_->dir, &v1::Admin::Stub::DescribeStream, request);
}

absl::Status AdminClient::EvictAgent(uint64_t session_id, const std::string& reason) const {
  v1::EvictAgentRequest request;
  request.set_session_id(session_id);
  request.set_reason(reason);
  return Call(*connection_->stub, connection_->dir, &v1::Admin::Stub::EvictAgent, request).status();
}

absl::Status AdminClient::CreateStream(const std::string& name,
                                       const v1::StreamOptions& options) const {
  v1::CreateStreamRequest request;
  request.set_name(name);
  *request.mutable_options() = options;
  return Call(*connection_->stub, connection_->dir, &v1::Admin::Stub::CreateStream, request)
      .status();
}

absl::Status AdminClient::DeleteStream(const std::string& name) const {
  v1::DeleteStreamRequest request;
  request.set_name(name);
  return Call(*connection_->stub, connection_->dir, &v1::Admin::Stub::DeleteStream, request)
      .status();
}

}  // namespace causeway
