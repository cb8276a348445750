// The path of one of a coordinator's sockets, as a socket address can hold it.

#ifndef CAUSEWAY_AGENTS_SOCKET_PATH_H_
#define CAUSEWAY_AGENTS_SOCKET_PATH_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// A socket address holds 107 bytes of path. Longer ones are reached through a descriptor of their
// directory, /proc/self/fd/<n>/<name>, which this object keeps open: it must live as long as path()
// is connected to. Move-only.
class SocketPath {
 public:
  // InvalidArgument: the directory is empty, or holds a NUL.
  // Unavailable: the directory does not exist (yet).
  // PermissionDenied, ResourceExhausted: it cannot be opened.
  static absl::StatusOr<SocketPath> Resolve(const std::string& dir, std::string_view name);

  // What to connect to; at most 107 bytes.
  const std::string& path() const { return path_; }

  // What to call it in messages.
  const std::string& label() const { return label_; }

 private:
  SocketPath(std::string path, std::string label, UniqueFd dir)
      : path_(std::move(path)), label_(std::move(label)), dir_(std::move(dir)) {}

  std::string path_;
  std::string label_;
  UniqueFd dir_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_SOCKET_PATH_H_
