// The calls about files that users bring.

#ifndef CAUSEWAY_CONTROL_SERVICE_SPLIT_CALLS_H_
#define CAUSEWAY_CONTROL_SERVICE_SPLIT_CALLS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "control/api/v1/agents.pb.h"
#include "control/service/calls.h"
#include "control/service/split_waiters.h"

namespace causeway {

// As control/api/v1/agents.proto says. Thread-safe.
class SplitCalls {
 public:
  // `waiters` must outlive this object. No call waits longer than `max_wait`.
  SplitCalls(const CallParts& parts, SplitWaiters* waiters, absl::Duration max_wait)
      : parts_(parts), waiters_(*waiters), max_wait_(max_wait) {}

  absl::StatusOr<v1::OpenSplitResponse> Open(const std::string& token_sha256,
                                             const v1::OpenSplitRequest& request);
  // Waits for an extent as long as the request, `max_wait` and `deadline` (of the call) allow.
  absl::StatusOr<v1::TakeExtentResponse> Take(const std::string& token_sha256,
                                              const v1::TakeExtentRequest& request,
                                              absl::Time deadline);
  absl::Status Complete(const std::string& token_sha256, const v1::CompleteExtentRequest& request);
  absl::StatusOr<v1::DescribeSplitResponse> Describe(const std::string& token_sha256,
                                                     const v1::DescribeSplitRequest& request);
  absl::Status Close(const std::string& token_sha256, const v1::CloseSplitRequest& request);

 private:
  const CallParts parts_;
  SplitWaiters& waiters_;
  const absl::Duration max_wait_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_SPLIT_CALLS_H_
