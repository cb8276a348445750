#include "control/directory/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

// One for the NUL.
constexpr size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

// Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn.
constexpr int kBacklog = 1024;

}  // namespace

absl::StatusOr<std::string> SocketPath(const std::string& path, int directory,
                                       const std::string& name) {
  std::string plain = absl::StrCat(path, "/", name);
  if (plain.size() <= kMaxSocketPath) return plain;
  std::string through_proc = absl::StrCat("/proc/self/fd/", directory, "/", name);
  if (through_proc.size() <= kMaxSocketPath) return through_proc;
  return absl::InvalidArgumentError(absl::StrCat("the socket name ", name, " has ", name.size(),
                                                 " characters; the address of a Unix socket has ",
                                                 "room for ", kMaxSocketPath));
}

absl::Status RemoveStaleSocket(const std::string& path) {
  struct stat attributes;
  if (lstat(path.c_str(), &attributes) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return StatusFromErrno(errno, {.operation = "lstat", .path = path});
  }
  if (!S_ISSOCK(attributes.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(
        path, " is in the way: it is not a socket. Remove it, or choose another directory"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return StatusFromErrno(errno, {.operation = "unlink", .path = path});
  }
  return absl::OkStatus();
}

namespace {

absl::StatusOr<UniqueFd> Listen(const std::string& path, int type) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() > kMaxSocketPath) {
    return absl::InvalidArgumentError(absl::StrCat(path, " has ", path.size(),
                                                   " characters; the address of a Unix socket has ",
                                                   "room for ", kMaxSocketPath));
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  UniqueFd listening(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening.valid()) return StatusFromErrno(errno, {.operation = "socket", .path = path});
  // bind() gives the file the mode of the socket, so that nobody can connect in between.
  if (fchmod(listening.get(), 0600) != 0) {
    return StatusFromErrno(errno, {.operation = "fchmod", .path = path});
  }
  if (bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EADDRINUSE) return absl::AlreadyExistsError(absl::StrCat(path, " exists already"));
    return StatusFromErrno(errno, {.operation = "bind", .path = path});
  }
  if (listen(listening.get(), kBacklog) != 0) {
    return StatusFromErrno(errno, {.operation = "listen", .path = path});
  }
  return listening;
}

}  // namespace

absl::StatusOr<UniqueFd> ListenSeqpacket(const std::string& path) {
  return Listen(path, SOCK_SEQPACKET);
}

absl::StatusOr<UniqueFd> ListenStream(const std::string& path) { return Listen(path, SOCK_STREAM); }

}  // namespace causeway
