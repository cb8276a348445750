#include "control/process/peer_process.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "control/process/incarnation.h"
#include "mmapcore/errno_status.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace causeway {
namespace {

absl::Status PeerEnded(pid_t pid) {
  return absl::FailedPreconditionError(
      absl::StrCat("the process that connected, pid ", pid, ", has ended"));
}

// The kernel's own pidfd of the peer. Nothing: this kernel has none to give.
absl::StatusOr<UniqueFd> PidfdOfSocket(int socket, pid_t pid) {
  int number = -1;
  socklen_t size = sizeof(number);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &number, &size) == 0) return UniqueFd(number);
  const int error = errno;
  switch (error) {
    case ENOPROTOOPT:
    case EOPNOTSUPP:
      return UniqueFd();
    case ESRCH:
    case EINVAL:  // Before Linux 6.16: the process was reaped.
    case ENODATA:
      return PeerEnded(pid);
    default:
      return StatusFromErrno(error, {.operation = "getsockopt(SO_PEERPIDFD)"});
  }
}

}  // namespace

absl::StatusOr<PeerProcess> IdentifyPeer(int socket, PidfdSource source) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    const int error = errno;
    return absl::InvalidArgumentError(
        StatusFromErrno(error, {.operation = "getsockopt(SO_PEERCRED)"}).message());
  }
  PeerProcess peer = {.uid = credentials.uid, .gid = credentials.gid};
  if (credentials.pid == 0) return peer;  // In a namespace that we do not see into.

  if (source == PidfdSource::kSocket) {
    absl::StatusOr<UniqueFd> pidfd = PidfdOfSocket(socket, credentials.pid);
    if (!pidfd.ok()) return pidfd.status();
    peer.pidfd = *std::move(pidfd);
  }
  const bool bound_by_kernel = peer.pidfd.valid();
  uint64_t start_before = 0;
  if (!bound_by_kernel) {
    absl::StatusOr<uint64_t> start_ticks = ReadStartTicks(credentials.pid);
    if (!start_ticks.ok()) return PeerEnded(credentials.pid);
    start_before = *start_ticks;
    absl::StatusOr<UniqueFd> pidfd = OpenPidfd(credentials.pid);
    if (absl::IsNotFound(pidfd.status())) return PeerEnded(credentials.pid);
    if (!pidfd.ok()) return pidfd.status();
    peer.pidfd = *std::move(pidfd);
  }

  absl::StatusOr<ProcessIdentity> identity = IdentifyProcess(credentials.pid);
  if (absl::IsNotFound(identity.status())) return PeerEnded(credentials.pid);
  if (!identity.ok()) return identity.status();
  // The process still runs after its start time was read: so it was its own.
  if (HasExited(peer.pidfd.get())) return PeerEnded(credentials.pid);
  // Without the kernel's pidfd, the same start time before and after says that the pidfd is of the
  // process that had the pid before; that this one connected cannot be known here.
  if (!bound_by_kernel && identity->start_ticks != start_before) return PeerEnded(credentials.pid);
  peer.identity = *std::move(identity);
  return peer;
}

}  // namespace causeway
