// Directories that nobody else may enter.

#ifndef CAUSEWAY_CONTROL_DIRECTORY_PRIVATE_DIRECTORY_H_
#define CAUSEWAY_CONTROL_DIRECTORY_PRIVATE_DIRECTORY_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// An open directory that belongs to this process's user.
struct PrivateDirectory {
  std::string path;  // absolute, without symbolic links
  UniqueFd descriptor;
  bool created = false;         // it did not exist
  bool open_to_others = false;  // its mode lets others in; it was made so by somebody else
};

// Opens `path`, or makes it with mode 0700 if there is nothing; its parent must exist.
//
// InvalidArgument: the path is empty. NotFound: no parent. FailedPrecondition: not a directory, or
// it belongs to another user. PermissionDenied: it may not be made, or not be written to.
absl::StatusOr<PrivateDirectory> OpenPrivateDirectory(const std::string& path);

// True if the open file or directory lies in memory (tmpfs, ramfs).
bool IsInMemory(int descriptor);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_DIRECTORY_PRIVATE_DIRECTORY_H_
