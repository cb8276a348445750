// The calls that an agent makes to its coordinator (control/api/v1/agents.proto).

#ifndef CAUSEWAY_AGENTS_CONTROL_CLIENT_H_
#define CAUSEWAY_AGENTS_CONTROL_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "control/api/v1/agents.pb.h"

namespace causeway {

// Thread-safe. Each call blocks until it is answered, or for `call_timeout`; and fails with what
// the coordinator said, its message passed on, with the binary details as the status payload
// "type.googleapis.com/google.rpc.Status". Besides:
//
// Unavailable: the coordinator is away, did not answer in time, or has no memory left for calls.
//   Whether it has acted is unknown: repeat the call with the same idempotency key.
// FailedPrecondition: the session is fenced, or unknown to the coordinator.
class ControlClient {
 public:
  ControlClient(std::string dir, absl::Duration call_timeout);
  ~ControlClient();

  // Uses a new connection and this token from now on. To be called after each attach: a connection
  // to a former coordinator would wait before it tries the new one. Calls that are under way go on.
  //
  // Errors as for SocketPath::Resolve().
  absl::Status Connect(const std::string& token);

  // Each call by its name in the contract, with its
  // `wait_ms` on top of the call timeout for the one that has it.
  absl::StatusOr<v1::OpenWriterResponse> Call(const v1::OpenWriterRequest& request);
  absl::StatusOr<v1::GrantSegmentResponse> Call(const v1::GrantSegmentRequest& request);
  absl::StatusOr<v1::ReturnSegmentResponse> Call(const v1::ReturnSegmentRequest& request);
  absl::StatusOr<v1::CloseWriterResponse> Call(const v1::CloseWriterRequest& request);
  absl::StatusOr<v1::OpenReaderResponse> Call(const v1::OpenReaderRequest& request);
  absl::StatusOr<v1::ReleaseLaneResponse> Call(const v1::ReleaseLaneRequest& request);
  absl::StatusOr<v1::CloseReaderResponse> Call(const v1::CloseReaderRequest& request);
  absl::StatusOr<v1::OpenSplitResponse> Call(const v1::OpenSplitRequest& request);
  absl::StatusOr<v1::TakeExtentResponse> Call(const v1::TakeExtentRequest& request);
  absl::StatusOr<v1::CompleteExtentResponse> Call(const v1::CompleteExtentRequest& request);
  absl::StatusOr<v1::DescribeSplitResponse> Call(const v1::DescribeSplitRequest& request);
  absl::StatusOr<v1::CloseSplitResponse> Call(const v1::CloseSplitRequest& request);
  absl::StatusOr<v1::DetachResponse> Call(const v1::DetachRequest& request);

  // Ends every call that is under way: Unavailable. Later ones are not touched.
  void CancelCalls();

 private:
  struct Connection;
  struct Running;

  template <typename Request, typename Response, typename Method>
  absl::StatusOr<Response> Run(const char* name, const Request& request, Method method,
                               absl::Duration timeout);

  const std::string dir_;
  const absl::Duration call_timeout_;
  absl::Mutex mutex_;
  std::shared_ptr<Connection> connection_ ABSL_GUARDED_BY(mutex_);
  std::vector<Running*> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CONTROL_CLIENT_H_
