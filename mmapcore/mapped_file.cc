#include "mmapcore/mapped_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/file_range.h"

namespace causeway {
namespace {

absl::string_view KindOfFile(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a directory";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
      return "a character device";
    case S_IFBLK:
      return "a block device";
    default:
      return "a kernel object without a file";
  }
}

absl::Status CheckPath(absl::string_view operation, const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(operation, " refused: the path is empty"));
  }
  const size_t nul = path.find('\0');
  if (nul != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        operation, " refused for ", path.c_str(), ": the path holds a NUL byte at position ", nul));
  }
  return absl::OkStatus();
}

// Opens for MappedFile::FromFd() to judge. O_NONBLOCK keeps a pipe from waiting for its other end,
// O_NOCTTY a terminal from becoming ours; neither means anything to a regular file.
absl::StatusOr<UniqueFd> OpenAnyFile(const std::string& path, int flags, mode_t mode) {
  absl::Status status = CheckPath("open", path);
  if (!status.ok()) return status;
  UniqueFd fd(RepeatIfInterrupted(
      [&] { return open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode); }));
  if (!fd.valid()) return StatusFromErrno(errno, {.operation = "open", .path = path});
  return fd;
}

}  // namespace

absl::StatusOr<MappedFile> MappedFile::Create(const std::string& path, mode_t mode,
                                              IfExists if_exists) {
  const int exclusive = if_exists == IfExists::kFail ? O_EXCL : 0;
  absl::StatusOr<UniqueFd> fd = OpenAnyFile(path, O_RDWR | O_CREAT | exclusive, mode);
  if (!fd.ok()) return fd.status();
  return FromFd(*std::move(fd), path);
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path, Protection protection) {
  const int flags = protection == Protection::kReadWrite ? O_RDWR : O_RDONLY;
  absl::StatusOr<UniqueFd> fd = OpenAnyFile(path, flags, /*mode=*/0);
  if (!fd.ok()) return fd.status();
  return FromFd(*std::move(fd), path);
}

absl::StatusOr<MappedFile> MappedFile::FromFd(UniqueFd fd, std::string label) {
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("refused ", label, ": ", fd.get(), " is not an open descriptor"));
  }
  struct stat attributes;
  if (fstat(fd.get(), &attributes) != 0) {
    return StatusFromErrno(errno, {.operation = "fstat", .path = label});
  }
  if (!S_ISREG(attributes.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("refused ", label, ": it is ",
                                                   KindOfFile(attributes.st_mode),
                                                   ", and only regular files can be shared"));
  }
  // O_PATH first: the kernel reports its access mode as O_RDONLY.
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY) {
    return absl::PermissionDeniedError(absl::StrCat(
        "refused ", label, ": its descriptor was opened with ",
        (flags & O_PATH) != 0 ? "O_PATH" : "O_WRONLY", "; a mapping needs O_RDONLY or O_RDWR"));
  }
  struct statfs file_system;
  if (fstatfs(fd.get(), &file_system) != 0) {
    return StatusFromErrno(errno, {.operation = "fstatfs", .path = label});
  }
  if (file_system.f_type == HUGETLBFS_MAGIC) {
    return absl::InvalidArgumentError(
        absl::StrCat("refused ", label, ": it lies on hugetlbfs; use tmpfs mounted with huge="));
  }
  const bool writable = (flags & O_ACCMODE) == O_RDWR;
  return MappedFile(std::move(fd), std::move(label),
                    writable ? Protection::kReadWrite : Protection::kRead);
}

absl::StatusOr<MappedFile> MappedFile::OpenReadOnly() const {
  const std::string path = absl::StrCat("/proc/self/fd/", fd());
  UniqueFd reopened(RepeatIfInterrupted([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!reopened.valid()) {
    return StatusFromErrno(errno, {.operation = "reopening through /proc/self/fd", .path = label_});
  }
  return FromFd(std::move(reopened), label_);
}

absl::StatusOr<uint64_t> MappedFile::Size() const {
  struct stat attributes;
  if (fstat(fd(), &attributes) != 0) {
    return StatusFromErrno(errno, {.operation = "fstat", .path = label_});
  }
  return static_cast<uint64_t>(attributes.st_size);
}

absl::Status MappedFile::Resize(uint64_t size) {
  if (protection_ != Protection::kReadWrite) {
    return absl::PermissionDeniedError(
        absl::StrCat("ftruncate refused for ", label_, ": the descriptor is read-only"));
  }
  if (size > INT64_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("ftruncate refused for ", label_, ": a size of ",
                                                   size, " bytes is not below 2^63"));
  }
  absl::StatusOr<uint64_t> former_size = Size();
  if (!former_size.ok()) return former_size.status();
  if (size > *former_size) {
    absl::Status limit = CheckFileSizeLimit("ftruncate", label_, size);
    if (!limit.ok()) return limit;
  }
  if (RepeatIfInterrupted([&] { return ftruncate(fd(), static_cast<off_t>(size)); }) != 0) {
    return StatusFromErrno(errno, {.operation = "ftruncate", .path = label_, .length = size});
  }
  return absl::OkStatus();
}

absl::Status MappedFile::Sync() {
  if (RepeatIfInterrupted([&] { return fsync(fd()); }) != 0) {
    return StatusFromErrno(errno, {.operation = "fsync", .path = label_});
  }
  return absl::OkStatus();
}

}  // namespace causeway
