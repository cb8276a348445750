// From absl::Status to gRPC's.

#ifndef CAUSEWAY_CONTROL_SERVICE_RPC_STATUS_H_
#define CAUSEWAY_CONTROL_SERVICE_RPC_STATUS_H_

#include "absl/status/status.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace causeway {

// The same code and message; payloads whose names are types' become google.rpc error details. Long
// messages are cut, for they travel in a header. RESOURCE_EXHAUSTED always has a detail: where a
// server's memory for messages is exhausted, gRPC gives the same code without one to any call.
grpc::Status ToRpcStatus(const absl::Status& status);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_RPC_STATUS_H_
