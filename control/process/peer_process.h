// The process at the other end of a Unix socket, as the kernel names it.

#ifndef CAUSEWAY_CONTROL_PROCESS_PEER_PROCESS_H_
#define CAUSEWAY_CONTROL_PROCESS_PEER_PROCESS_H_

#include <sys/types.h>

#include <optional>

#include "absl/status/statusor.h"
#include "control/process/process_identity.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Who connected. Nothing of it is the peer's own word.
struct PeerProcess {
  uid_t uid = 0;
  gid_t gid = 0;
  // Absent if the peer is in a pid namespace that this process cannot see (sibling containers).
  // Then its death cannot be proven: what it held writable is retired, never reused.
  std::optional<ProcessIdentity> identity;
  // Becomes readable when the process has ended, as a zombie too. Absent with `identity`.
  UniqueFd pidfd;
};

// Where the pidfd comes from.
enum class PidfdSource {
  kSocket,      // SO_PEERPIDFD: bound to the process when it connected; Linux 6.5
  kPidRecheck,  // pidfd_open() of the peer's pid, then the start time once more
};

// Identifies the process that called connect() on the other end of `socket`, a connected Unix
// socket. With kSocket, falls back to kPidRecheck where the kernel is too old. Neither waits.
//
// FailedPrecondition: the process has ended already, or its pid went to another one meanwhile.
// InvalidArgument: not a connected Unix socket. ResourceExhausted: no descriptor left.
absl::StatusOr<PeerProcess> IdentifyPeer(int socket, PidfdSource source = PidfdSource::kSocket);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_PROCESS_PEER_PROCESS_H_
