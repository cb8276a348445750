#include "mmapcore/errno_status.h"

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace causeway {
namespace {

// What a user can do about an errno, whichever call it came from.
absl::string_view DefaultAdvice(int error) {
  switch (error) {
    case ENOSPC:
      return "free space on the file system or choose another";
    case EDQUOT:
      return "raise the quota or free space under it";
    case ENOMEM:
      return "free memory or raise the limit on it (cgroup, ulimit -v)";
    case EMFILE:
      return "close descriptors or raise the process's limit (ulimit -n)";
    case ENFILE:
      return "raise the system's limit on open files (sysctl fs.file-max)";
    case EACCES:
    case EPERM:
      return "check owner, mode and seals of the file, and the directories above it";
    case EROFS:
      return "remount the file system writable or choose another";
    case ENOENT:
    case ENOTDIR:
      return "check that the path's directories exist";
    case EEXIST:
      return "choose another name or open the existing file";
    case EISDIR:
    case ENXIO:
    case ELOOP:
      return "name a regular file";
    case ENAMETOOLONG:
      return "shorten the path";
    case EFBIG:
      return "stay below the largest file that the file system allows";
    case ETXTBSY:
      return "stop the program that runs from this file";
    case EINTR:
    case EAGAIN:
      return "try again";
    case EIO:
    case EHWPOISON:
    case EUCLEAN:
    case EBADMSG:
    case EREMOTEIO:
      return "treat the bytes as lost and check the device (dmesg)";
    case ENODEV:
    case EOPNOTSUPP:
    case ENOSYS:
      return "use a file system and a kernel that support it, such as ext4, xfs or tmpfs on Linux "
             "5.14";
    default:
      return "";
  }
}

std::string ErrnoText(int error) {
  // Unlike strerror(), both are thread-safe.
  const char* text = strerrordesc_np(error);
  const char* name = strerrorname_np(error);
  if (text == nullptr || name == nullptr) return absl::StrCat("errno ", error);
  return absl::StrCat(text, " (", name, ")");
}

}  // namespace

absl::StatusCode StatusCodeFromErrno(int error) {
  switch (error) {
    case EIO:
    case EHWPOISON:
    case EUCLEAN:
    case EBADMSG:
    case EREMOTEIO:
      return absl::StatusCode::kDataLoss;
    case EISDIR:
    case ENXIO:
    case ELOOP:
      return absl::StatusCode::kInvalidArgument;
    case ENODEV:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::ErrnoToStatusCode(error);
  }
}

absl::Status StatusFromErrno(int error, const FailedCall& call) {
  std::string message = absl::StrCat(call.operation, " failed");
  if (!call.path.empty()) absl::StrAppend(&message, " for ", call.path);
  if (call.offset.has_value() && call.length.has_value()) {
    absl::StrAppend(&message, " (offset ", *call.offset, ", length ", *call.length, ")");
  } else if (call.length.has_value()) {
    absl::StrAppend(&message, " (length ", *call.length, ")");
  } else if (call.offset.has_value()) {
    absl::StrAppend(&message, " (offset ", *call.offset, ")");
  }
  absl::StrAppend(&message, ": ", ErrnoText(error));
  const absl::string_view advice = call.advice.empty() ? DefaultAdvice(error) : call.advice;
  if (!advice.empty()) absl::StrAppend(&message, "; ", advice);
  return absl::Status(StatusCodeFromErrno(error), message);
}

}  // namespace causeway
