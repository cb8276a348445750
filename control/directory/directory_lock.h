// One coordinator per directory.

#ifndef CAUSEWAY_CONTROL_DIRECTORY_DIRECTORY_LOCK_H_
#define CAUSEWAY_CONTROL_DIRECTORY_DIRECTORY_LOCK_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Holds the exclusive lock of a file that names its holder's pid. The kernel drops the lock when
// the holder dies, however it dies: there is no stale lock to remove by hand. Move-only.
class DirectoryLock {
 public:
  // Takes the lock of `path`; makes the file if there is none. Does not wait.
  //
  // AlreadyExists: another process (or this one, elsewhere) holds it; the message says which.
  // PermissionDenied and others: the file cannot be made.
  static absl::StatusOr<DirectoryLock> Take(const std::string& path);

  // Removes the file, then lets go.
  ~DirectoryLock();
  DirectoryLock(DirectoryLock&&) noexcept = default;
  DirectoryLock& operator=(DirectoryLock&&) = delete;

 private:
  DirectoryLock(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  UniqueFd file_;
  std::string path_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_DIRECTORY_DIRECTORY_LOCK_H_
