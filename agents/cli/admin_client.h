// The operators' side of a coordinator, as plain calls. The only file of the command line that
// speaks gRPC.

#ifndef CAUSEWAY_AGENTS_CLI_ADMIN_CLIENT_H_
#define CAUSEWAY_AGENTS_CLI_ADMIN_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/admin.pb.h"

namespace causeway {

// Thread-safe. Every call blocks for one answer, or several of a long list, and fails with
// Unavailable or DeadlineExceeded if the coordinator does not give one in 10 seconds. Other codes
// are the coordinator's (control/api/v1/admin.proto).
class AdminClient {
 public:
  // For the coordinator that serves `dir`; it is not yet asked anything. Errors as for
  // CheckCoordinatorDirectory().
  static absl::StatusOr<AdminClient> Connect(const std::string& dir);

  AdminClient(AdminClient&&) noexcept;
  AdminClient& operator=(AdminClient&&) noexcept;
  ~AdminClient();

  absl::StatusOr<v1::DescribeCoordinatorResponse> DescribeCoordinator() const;

  // In order of the ids, in pages of the coordinator's size, up to `limit` entries; zero: all.
  absl::StatusOr<std::vector<v1::Stream>> ListStreams(size_t limit) const;
  absl::StatusOr<std::vector<v1::Agent>> ListAgents(size_t limit) const;
  absl::StatusOr<std::vector<v1::GrantedExtent>> ListExtents(size_t limit) const;

  // What readers follow which lanes of the stream, among the rest.
  absl::StatusOr<v1::DescribeStreamResponse> DescribeStream(const std::string& name) const;

  absl::Status EvictAgent(uint64_t session_id, const std::string& reason) const;
  absl::Status CreateStream(const std::string& name, const v1::StreamOptions& options) const;
  absl::Status DeleteStream(const std::string& name) const;

 private:
  struct Connection;

  explicit AdminClient(std::unique_ptr<Connection> connection);

  std::unique_ptr<Connection> connection_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_ADMIN_CLIENT_H_
