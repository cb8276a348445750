// From errno to absl::Status: one mapping of codes, one shape of message.
//
//   fallocate failed for /data/a (offset 0, length 1048576): No space left on device (ENOSPC);
//   free space on the file system or choose another

#ifndef CAUSEWAY_MMAPCORE_ERRNO_STATUS_H_
#define CAUSEWAY_MMAPCORE_ERRNO_STATUS_H_

#include <cerrno>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace causeway {

// What failed. The views need to live only for the call that they are passed to.
struct FailedCall {
  absl::string_view operation;          // the system call: "mmap"
  absl::string_view path;               // the file's path or label; may be empty
  std::optional<uint64_t> offset = {};  // in the file, bytes
  std::optional<uint64_t> length = {};  // bytes
  absl::string_view advice = {};        // what to do; empty: what this errno suggests
};

// The code for an errno value. It is absl::ErrnoToStatusCode() (ENOSPC, EDQUOT, ENOMEM, EMFILE:
// ResourceExhausted; EACCES, EPERM, EROFS: PermissionDenied; ENOENT: NotFound; EEXIST:
// AlreadyExists; EFBIG: OutOfRange; EINTR, EAGAIN: Unavailable; EOPNOTSUPP, ENOSYS: Unimplemented;
// EINVAL: InvalidArgument) except for
//   - bytes that are gone: EIO, EHWPOISON, EUCLEAN, EBADMSG, EREMOTEIO: DataLoss,
//   - things that cannot be a mapped file: EISDIR, ENXIO (a socket, a device without driver),
//     ELOOP: InvalidArgument,
//   - a file system that cannot map: ENODEV: Unimplemented.
absl::StatusCode StatusCodeFromErrno(int error);

// Makes a system call again while a signal interrupts it, but not for ever. `call` returns -1 and
// sets errno on failure, as system calls do; so does this function.
template <typename Call>
auto RepeatIfInterrupted(Call call) {
  constexpr int kMaxAttempts = 1000;
  auto result = call();
  for (int attempt = 1; result == -1 && errno == EINTR && attempt < kMaxAttempts; ++attempt) {
    result = call();
  }
  return result;
}

// The status for `call` having failed with `error`, which must not be zero. Thread-safe.
absl::Status StatusFromErrno(int error, const FailedCall& call);

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_ERRNO_STATUS_H_
