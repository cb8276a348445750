#include "agents/cli/attach.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

// A coordinator that has bound its sockets answers in no time; one that is being restarted needs a
// little longer.
constexpr absl::Duration kAttachTimeout = absl::Seconds(5);

std::string StartOne(const std::string& dir) {
  return absl::StrCat("start one with: causeway coordinator --dir=", dir);
}

}  // namespace

absl::Status CheckCoordinatorDirectory(const std::string& dir) {
  if (dir.empty()) {
    return absl::InvalidArgumentError("--dir is empty; name the coordinator's directory");
  }
  struct stat attributes;
  if (stat(dir.c_str(), &attributes) != 0) {
    if (errno != ENOENT) {
      return StatusFromErrno(errno, {.operation = "stat", .path = dir});
    }
    return absl::NotFoundError(
        absl::StrCat("no coordinator: there is no directory ", dir, "; ", StartOne(dir)));
  }
  if (!S_ISDIR(attributes.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(dir, " is no directory; --dir names the coordinator's directory"));
  }
  if (access(dir.c_str(), X_OK) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        "no right to enter ", dir, " (", std::strerror(errno),
        "); run as the coordinator's user, or have its administrator open the directory"));
  }
  const std::string socket = absl::StrCat(dir, "/handoff.sock");
  if (stat(socket.c_str(), &attributes) != 0) {
    return absl::UnavailableError(
        absl::StrCat("no coordinator serves ", dir, ": there is no ", socket, "; ", StartOne(dir)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Agent>> AttachTo(const std::string& dir, const std::string& name) {
  if (absl::Status status = CheckCoordinatorDirectory(dir); !status.ok()) return status;
  AgentOptions options;
  options.dir = dir;
  options.name = name;
  options.attach_timeout = kAttachTimeout;
  return Agent::Attach(std::move(options));
}

absl::Status UnlessAway(absl::Status status) {
  return absl::IsUnavailable(status) ? absl::OkStatus() : status;
}

}  // namespace causeway
