// Unix sockets by path, of any length.

#ifndef CAUSEWAY_CONTROL_DIRECTORY_UNIX_SOCKET_H_
#define CAUSEWAY_CONTROL_DIRECTORY_UNIX_SOCKET_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// A path for the socket `name` in the open directory `directory` that fits into the 107 characters
// of a Unix socket's address: `<path>/<name>` itself, or, if that is too long, the same through
// /proc/self/fd. Valid in this process, while `directory` is open.
//
// InvalidArgument: even that is too long, for `name` is.
absl::StatusOr<std::string> SocketPath(const std::string& path, int directory,
                                       const std::string& name);

// Removes a socket that a dead process left at `path`; nothing there is no error. The caller knows
// that its owner is dead, for it holds the directory's lock.
//
// AlreadyExists: something that is not a socket is there; it is left alone.
absl::Status RemoveStaleSocket(const std::string& path);

// Makes a listening SOCK_SEQPACKET or SOCK_STREAM socket at `path`, mode 0600 from its first
// moment, that does not block.
//
// AlreadyExists: something is there. Others: as the kernel says.
absl::StatusOr<UniqueFd> ListenSeqpacket(const std::string& path);
absl::StatusOr<UniqueFd> ListenStream(const std::string& path);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_DIRECTORY_UNIX_SOCKET_H_
