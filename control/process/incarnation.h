// Whether a process that was known before a restart is still the same one.

#ifndef CAUSEWAY_CONTROL_PROCESS_INCARNATION_H_
#define CAUSEWAY_CONTROL_PROCESS_INCARNATION_H_

#include "absl/status/statusor.h"
#include "control/process/process_identity.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Opens a pidfd for the process that has `pid` now; readable once that process has ended.
// NotFound: no process has that pid. ResourceExhausted: no descriptor left.
absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid);

// True if the process of `pidfd` has ended, reaped or not.
bool HasExited(int pidfd);

enum class Incarnation {
  kDead,     // proven: another boot, no process with that pid, or a process that started later
  kAlive,    // its pid belongs to a process that has not ended
  kUnknown,  // its pid counts in a namespace that is not ours: nothing can be proven
};

struct IncarnationFound {
  Incarnation state;
  // With kAlive: readable once it is dead. Valid even if /proc hides the start time of the process,
  // for whoever has the pid now, the one we knew is dead when that process is.
  UniqueFd pidfd;
};

// Looks for the incarnation `known`. Does not wait.
// ResourceExhausted and others: the look itself failed, and nothing is known.
absl::StatusOr<IncarnationFound> FindIncarnation(const ProcessIdentity& known);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_PROCESS_INCARNATION_H_
