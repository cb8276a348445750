// Attaching to the coordinator that serves a directory.

#ifndef CAUSEWAY_AGENTS_CLI_ATTACH_H_
#define CAUSEWAY_AGENTS_CLI_ATTACH_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/agent.h"

namespace causeway {

// Whether a coordinator could be reached in `dir`. It may still not answer.
// NotFound: no such directory. InvalidArgument: something else has that name. Unavailable: it has
// no coordinator's sockets. PermissionDenied: this user may not use it. Each says what to do.
absl::Status CheckCoordinatorDirectory(const std::string& dir);

// Checks the directory and attaches under `name`. Errors as CheckCoordinatorDirectory() and
// Agent::Attach().
absl::StatusOr<std::unique_ptr<Agent>> AttachTo(const std::string& dir, const std::string& name);

// The result of a last call, such as Detach(), of a program that has done its work: that the
// coordinator is away just now is no failure, since it learns from the end of the process.
absl::Status UnlessAway(absl::Status status);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_ATTACH_H_
