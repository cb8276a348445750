#include "control/directory/private_directory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

absl::Status NotADirectory(const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, " is not a directory; remove it, or choose another path"));
}

absl::StatusOr<std::string> RealPath(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), &free);
  if (real == nullptr) return StatusFromErrno(errno, {.operation = "realpath", .path = path});
  return std::string(real.get());
}

}  // namespace

absl::StatusOr<PrivateDirectory> OpenPrivateDirectory(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the path of the directory is empty");
  PrivateDirectory directory;
  if (mkdir(path.c_str(), 0700) == 0) {
    directory.created = true;
  } else if (errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat(
        path, " cannot be made: its parent directory does not exist. Make that first"));
  } else if (errno == ENOTDIR) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " cannot be made: part of its path is not a directory"));
  } else if (errno != EEXIST) {
    return StatusFromErrno(errno, {.operation = "mkdir", .path = path});
  }
  directory.descriptor.Reset(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.descriptor.valid()) {
    if (errno == ENOTDIR) return NotADirectory(path);
    return StatusFromErrno(errno, {.operation = "open", .path = path});
  }
  struct stat attributes;
  if (fstat(directory.descriptor.get(), &attributes) != 0) {
    return StatusFromErrno(errno, {.operation = "fstat", .path = path});
  }
  if (attributes.st_uid != geteuid()) {
    return absl::FailedPreconditionError(absl::StrCat(path, " belongs to uid ", attributes.st_uid,
                                                      ", and this process is uid ", geteuid(),
                                                      "; choose a directory of your own"));
  }
  directory.open_to_others = (attributes.st_mode & 0077) != 0;
  if (faccessat(directory.descriptor.get(), ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    return StatusFromErrno(errno, {.operation = "access", .path = path});
  }
  absl::StatusOr<std::string> real = RealPath(path);
  if (!real.ok()) return real.status();
  directory.path = *std::move(real);
  return directory;
}

bool IsInMemory(int descriptor) {
  struct statfs file_system;
  return fstatfs(descriptor, &file_system) == 0 &&
         (file_system.f_type == TMPFS_MAGIC || file_system.f_type == RAMFS_MAGIC);
}

}  // namespace causeway
