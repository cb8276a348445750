// What an error is about, in the form that any gRPC client understands (google.rpc error details).

#ifndef CAUSEWAY_CONTROL_SERVICE_ERROR_DETAILS_H_
#define CAUSEWAY_CONTROL_SERVICE_ERROR_DETAILS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace causeway {

// What a call's error may be about. Empty: nothing of that kind.
struct ErrorSubject {
  std::string_view field;          // the request's field: "length"
  std::string_view resource_type;  // "causeway.v1.Stream"
  std::string resource_name;       // its name or id
};

// `status` with the detail that fits its code, as a payload named like the detail's type:
// BadRequest (INVALID_ARGUMENT, OUT_OF_RANGE), ResourceInfo (NOT_FOUND, ALREADY_EXISTS,
// PERMISSION_DENIED), QuotaFailure (RESOURCE_EXHAUSTED) or PreconditionFailure
// (FAILED_PRECONDITION). A status that is OK, has such a detail, or about which `subject` says
// nothing stays as it is.
absl::Status WithDetail(absl::Status status, const ErrorSubject& subject);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_ERROR_DETAILS_H_
