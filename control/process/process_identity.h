// Which process, told apart from every other one that ever had the same pid.

#ifndef CAUSEWAY_CONTROL_PROCESS_PROCESS_IDENTITY_H_
#define CAUSEWAY_CONTROL_PROCESS_PROCESS_IDENTITY_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace causeway {

// A pid is reused, even within seconds; a pid with its start time is not, for as long as the
// machine is up, and the boot id tells one uptime from another. A pid counts only within its pid
// namespace: a coordinator that restarts in another container must not mistake a stranger for its
// agent.
//
// Two threads of one process have the same identity, and exec() does not change it.
struct ProcessIdentity {
  std::string boot_id;         // as the kernel writes it: 36 characters
  uint64_t pid_namespace = 0;  // inode of the namespace that `pid` belongs to
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // clock ticks from boot to the process's start

  bool operator==(const ProcessIdentity&) const = default;
};

// The kernel's random name for this uptime. Unavailable, NotFound: /proc is not mounted or hides
// it.
absl::StatusOr<std::string> ReadBootId();

// The inode number of the calling process's pid namespace. Errors as ReadBootId().
absl::StatusOr<uint64_t> ReadPidNamespace();

// Field 22 of the text of /proc/<pid>/stat, in clock ticks since boot. The second field is the
// command's name, which the process chooses: it may hold spaces, newlines and parentheses, so the
// fields are counted from the last parenthesis.
// DataLoss: the text is not of that form.
absl::StatusOr<uint64_t> ParseStartTicks(std::string_view stat);

// Start time of the process that has `pid` now, as this process sees pids. A zombie has one, too.
// NotFound: no such process, or /proc hides it (mount option hidepid). InvalidArgument: pid <= 0.
absl::StatusOr<uint64_t> ReadStartTicks(pid_t pid);

// The identity of the process that has `pid` now. Errors as the functions above.
absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_PROCESS_PROCESS_IDENTITY_H_
