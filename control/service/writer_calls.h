// The calls of a lane's writer.

#ifndef CAUSEWAY_CONTROL_SERVICE_WRITER_CALLS_H_
#define CAUSEWAY_CONTROL_SERVICE_WRITER_CALLS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/agents.pb.h"
#include "control/service/calls.h"

namespace causeway {

// As control/api/v1/agents.proto says. Each reserves on the state thread, does the I/O on the
// caller's, and confirms on the state thread; when it returns, every event and descriptor that
// belongs to the answer has been queued on the agent's handoff connection. Block on the disk.
// Thread-safe.
class WriterCalls {
 public:
  explicit WriterCalls(const CallParts& parts) : parts_(parts) {}

  absl::StatusOr<v1::OpenWriterResponse> Open(const std::string& token_sha256,
                                              const v1::OpenWriterRequest& request);
  absl::StatusOr<v1::GrantSegmentResponse> Grant(const std::string& token_sha256,
                                                 const v1::GrantSegmentRequest& request);
  absl::Status Return(const std::string& token_sha256, const v1::ReturnSegmentRequest& request);
  absl::Status Close(const std::string& token_sha256, const v1::CloseWriterRequest& request);

 private:
  const CallParts parts_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_WRITER_CALLS_H_
