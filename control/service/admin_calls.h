// The operators' calls.

#ifndef CAUSEWAY_CONTROL_SERVICE_ADMIN_CALLS_H_
#define CAUSEWAY_CONTROL_SERVICE_ADMIN_CALLS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/admin.pb.h"
#include "control/service/calls.h"
#include "control/state/limits.h"

namespace causeway {

// What DescribeCoordinator answers beside the state.
struct CoordinatorFacts {
  std::string version;
  int64_t started_unix_ms = 0;
  std::string directory;
  std::string volatile_directory;
  std::string huge_pages;  // of files in it
  Limits limits;
};

// As control/api/v1/admin.proto says. Thread-safe.
class AdminCalls {
 public:
  AdminCalls(const CallParts& parts, CoordinatorFacts facts)
      : parts_(parts), facts_(std::move(facts)) {}

  absl::StatusOr<v1::DescribeCoordinatorResponse> DescribeCoordinator();

  absl::StatusOr<v1::ListAgentsResponse> ListAgents(const v1::ListAgentsRequest& request);
  absl::StatusOr<v1::DescribeAgentResponse> DescribeAgent(const v1::DescribeAgentRequest& request);
  absl::Status EvictAgent(const v1::EvictAgentRequest& request);

  absl::StatusOr<v1::ListFilesResponse> ListFiles(const v1::ListFilesRequest& request);
  absl::StatusOr<v1::DescribeFileResponse> DescribeFile(const v1::DescribeFileRequest& request);
  absl::StatusOr<v1::ListExtentsResponse> ListExtents(const v1::ListExtentsRequest& request);

  absl::StatusOr<v1::ListStreamsResponse> ListStreams(const v1::ListStreamsRequest& request);
  absl::StatusOr<v1::DescribeStreamResponse> DescribeStream(
      const v1::DescribeStreamRequest& request);
  absl::StatusOr<v1::CreateStreamResponse> CreateStream(const v1::CreateStreamRequest& request);
  absl::Status DeleteStream(const v1::DeleteStreamRequest& request);

 private:
  v1::File FileToApi(const records::File& file) const;

  const CallParts parts_;
  const CoordinatorFacts facts_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_ADMIN_CALLS_H_
