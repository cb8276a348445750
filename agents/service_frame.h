// How the two ends of a service, agents/requester.h and agents/responder.h, send a frame.

#ifndef CAUSEWAY_AGENTS_SERVICE_FRAME_H_
#define CAUSEWAY_AGENTS_SERVICE_FRAME_H_

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/writer.h"
#include "mmapcore/deadline.h"

namespace causeway {

// Writer::TryClaim(), and Writer::Claim() only if that finds no room: no clock is read until then.
// Errors as for the latter.
absl::StatusOr<std::byte*> ClaimFrame(Writer& writer, size_t frame_bytes, Deadline deadline);

// Why `writer` refused to commit a frame with `bytes` bytes for `what`. Gives up the open claim.
// FailedPrecondition: fenced, or less was claimed. DataLoss: as for Writer::Claim().
absl::Status WhyNotCommitted(Writer& writer, size_t bytes, std::string_view what);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_SERVICE_FRAME_H_
