#include "control/process/incarnation.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway {

absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid) {
  // The descriptor is close-on-exec by definition.
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd.valid()) return pidfd;
  const int error = errno;
  if (error == ESRCH) return absl::NotFoundError(absl::StrCat("no process has pid ", pid));
  return StatusFromErrno(error, {.operation = "pidfd_open", .path = absl::StrCat("pid ", pid)});
}

bool HasExited(int pidfd) {
  pollfd wanted = {.fd = pidfd, .events = POLLIN, .revents = 0};
  int ready;
  do {
    ready = poll(&wanted, 1, 0);
  } while (ready < 0 && errno == EINTR);
  return ready == 1 && (wanted.revents & POLLIN) != 0;
}

absl::StatusOr<IncarnationFound> FindIncarnation(const ProcessIdentity& known) {
  absl::StatusOr<std::string> boot_id = ReadBootId();
  if (!boot_id.ok()) return boot_id.status();
  if (*boot_id != known.boot_id) return IncarnationFound{.state = Incarnation::kDead};

  absl::StatusOr<uint64_t> pid_namespace = ReadPidNamespace();
  if (!pid_namespace.ok()) return pid_namespace.status();
  if (*pid_namespace != known.pid_namespace) {
    return IncarnationFound{.state = Incarnation::kUnknown};
  }

  absl::StatusOr<UniqueFd> pidfd = OpenPidfd(known.pid);
  if (absl::IsNotFound(pidfd.status())) return IncarnationFound{.state = Incarnation::kDead};
  if (!pidfd.ok()) return pidfd.status();

  // Read after the pidfd was opened: if the process ended in between and its pid went to another
  // one, this is the other one's start time, and it differs.
  absl::StatusOr<uint64_t> start_ticks = ReadStartTicks(known.pid);
  if (start_ticks.ok() && *start_ticks != known.start_ticks) {
    return IncarnationFound{.state = Incarnation::kDead};
  }
  if (HasExited(pidfd->get())) return IncarnationFound{.state = Incarnation::kDead};
  return IncarnationFound{.state = Incarnation::kAlive, .pidfd = *std::move(pidfd)};
}

}  // namespace causeway
