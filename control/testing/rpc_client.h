// Calls of control.sock and admin.sock, without gRPC in the tests that make them.

#ifndef CAUSEWAY_CONTROL_TESTING_RPC_CLIENT_H_
#define CAUSEWAY_CONTROL_TESTING_RPC_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/admin.pb.h"
#include "control/api/v1/agents.pb.h"

namespace causeway::testing {

// Every call waits for its answer. Error details become payloads of the status, named like their
// types.
class AgentsClient {
 public:
  // `token` is in bytes; empty: calls carry none.
  AgentsClient(const std::string& directory, const std::string& token);
  ~AgentsClient();
  AgentsClient(AgentsClient&&) noexcept;

  absl::StatusOr<v1::OpenWriterResponse> OpenWriter(const v1::OpenWriterRequest& request);
  absl::StatusOr<v1::GrantSegmentResponse> GrantSegment(const v1::GrantSegmentRequest& request);
  absl::Status ReturnSegment(const v1::ReturnSegmentRequest& request);
  absl::Status CloseWriter(const v1::CloseWriterRequest& request);
  absl::StatusOr<v1::OpenReaderResponse> OpenReader(const v1::OpenReaderRequest& request);
  absl::Status ReleaseLane(const v1::ReleaseLaneRequest& request);
  absl::Status CloseReader(const v1::CloseReaderRequest& request);
  absl::StatusOr<v1::OpenSplitResponse> OpenSplit(const v1::OpenSplitRequest& request);
  absl::StatusOr<v1::TakeExtentResponse> TakeExtent(const v1::TakeExtentRequest& request);
  absl::Status CompleteExtent(const v1::CompleteExtentRequest& request);
  absl::Status Detach();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class AdminClient {
 public:
  explicit AdminClient(const std::string& directory);
  ~AdminClient();

  absl::StatusOr<v1::DescribeCoordinatorResponse> DescribeCoordinator();
  absl::StatusOr<v1::ListAgentsResponse> ListAgents();
  absl::StatusOr<v1::ListFilesResponse> ListFiles();
  absl::StatusOr<v1::DescribeStreamResponse> DescribeStream(const std::string& name);
  absl::StatusOr<v1::CreateStreamResponse> CreateStream(const v1::CreateStreamRequest& request);
  absl::Status DeleteStream(const std::string& name);
  absl::Status EvictAgent(uint64_t session_id, const std::string& reason);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_TESTING_RPC_CLIENT_H_
