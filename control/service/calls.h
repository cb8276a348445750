// What every call of an agent does first.

#ifndef CAUSEWAY_CONTROL_SERVICE_CALLS_H_
#define CAUSEWAY_CONTROL_SERVICE_CALLS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/statusor.h"
#include "control/api/v1/types.pb.h"
#include "control/files/granted_files.h"
#include "control/service/obligations.h"
#include "control/state/catalog.h"
#include "control/state/place.h"
#include "control/state/state_runner.h"

namespace causeway {

// Milliseconds of the wall clock.
int64_t NowUnixMs();

// What calls work with; all of it outlives them.
struct CallParts {
  StateRunner* state;
  GrantedFiles* files;
  Obligations* obligations;
  std::function<int64_t()> now_unix_ms = NowUnixMs;
};

// Runs `operation(catalog, session_id)` on the state thread for the session whose token has the
// hash `token_sha256`. Errors as SessionOperations::Authenticate() and StateRunner::Run().
template <typename Operation>
auto RunFor(const CallParts& parts, const std::string& token_sha256, Operation operation) {
  using Result = std::invoke_result_t<Operation, Catalog&, uint64_t>;
  return parts.state->Run([&](Catalog& catalog) -> Result {
    absl::StatusOr<uint64_t> session = catalog.sessions().Authenticate(token_sha256);
    if (!session.ok()) return session.status();
    return operation(catalog, *session);
  });
}

// What the requests that open a stream's writer or reader must hold, each with the field that does
// not. INVALID_ARGUMENT: a bad name of a stream, or too long an idempotency key.
absl::Status CheckOpenRequest(const std::string& stream, const std::string& idempotency_key);

// INVALID_ARGUMENT, about the field: too long an idempotency key.
absl::Status CheckKey(const std::string& idempotency_key);

// Backs every range, but for those of files that have been retired since they were reserved.
// ResourceExhausted: the message has the largest holders of space, too.
absl::Status BackRanges(const CallParts& parts, const std::vector<FileRange>& ranges);

v1::Extent ToApi(const records::Extent& extent);

// How the errors of calls name what they are about (control/service/error_details.h).
inline constexpr char kStreamResource[] = "causeway.v1.Stream";
inline constexpr char kLaneResource[] = "causeway.v1.Lane";
inline constexpr char kReaderResource[] = "causeway.v1.Reader";
inline constexpr char kSplitResource[] = "causeway.v1.Split";
inline constexpr char kAgentResource[] = "causeway.v1.Agent";
inline constexpr char kFileResource[] = "causeway.v1.File";

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_CALLS_H_
