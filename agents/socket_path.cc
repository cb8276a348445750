#include "agents/socket_path.h"

#include <fcntl.h>
#include <sys/un.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway {

absl::StatusOr<SocketPath> SocketPath::Resolve(const std::string& dir, std::string_view name) {
  if (dir.empty() || dir.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("the coordinator's directory is empty, or holds a NUL");
  }
  std::string label = absl::StrCat(dir, "/", absl::string_view(name.data(), name.size()));
  if (label.size() < sizeof(sockaddr_un::sun_path)) {
    std::string path = label;
    return SocketPath(std::move(path), std::move(label), UniqueFd());
  }
  UniqueFd fd(open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = errno;
    absl::Status status = StatusFromErrno(error, {.operation = "open", .path = dir});
    if (error == ENOENT) return absl::UnavailableError(status.message());
    return status;
  }
  std::string path =
      absl::StrCat("/proc/self/fd/", fd.get(), "/", absl::string_view(name.data(), name.size()));
  return SocketPath(std::move(path), std::move(label), std::move(fd));
}

}  // namespace causeway
