// The gRPC services, as thin as they can be: a token to a hash, a call, a status.

#ifndef CAUSEWAY_CONTROL_SERVICE_SERVICES_H_
#define CAUSEWAY_CONTROL_SERVICE_SERVICES_H_

#include <memory>

#include "control/service/admin_calls.h"
#include "control/service/call_limiter.h"
#include "control/service/reader_calls.h"
#include "control/service/split_calls.h"
#include "control/service/writer_calls.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace causeway {

// What causeway.v1.Agents calls; all of it outlives the service.
struct AgentsCalls {
  CallParts parts;
  CallLimiter* limiter;
  WriterCalls* writers;
  ReaderCalls* readers;
  SplitCalls* splits;
};

std::shared_ptr<grpc::Service> NewAgentsService(const AgentsCalls& calls);

// causeway.v1.Admin. `calls` outlives it.
std::shared_ptr<grpc::Service> NewAdminService(AdminCalls* calls);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_SERVICES_H_
