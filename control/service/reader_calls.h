// The calls of a stream's reader.

#ifndef CAUSEWAY_CONTROL_SERVICE_READER_CALLS_H_
#define CAUSEWAY_CONTROL_SERVICE_READER_CALLS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/agents.pb.h"
#include "control/service/calls.h"

namespace causeway {

// As control/api/v1/agents.proto says; what WriterCalls says holds here, too.
class ReaderCalls {
 public:
  explicit ReaderCalls(const CallParts& parts) : parts_(parts) {}

  absl::StatusOr<v1::OpenReaderResponse> Open(const std::string& token_sha256,
                                              const v1::OpenReaderRequest& request);
  absl::Status ReleaseLane(const std::string& token_sha256, const v1::ReleaseLaneRequest& request);
  absl::Status Close(const std::string& token_sha256, const v1::CloseReaderRequest& request);

 private:
  const CallParts parts_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_READER_CALLS_H_
