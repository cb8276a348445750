// What a new coordinator does about what the last one left.

#ifndef CAUSEWAY_CONTROL_RECOVERY_H_
#define CAUSEWAY_CONTROL_RECOVERY_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/files/granted_files.h"
#include "control/handoff/exit_watch.h"
#include "control/process/incarnation.h"
#include "control/process/process_identity.h"
#include "control/state/place.h"
#include "control/state/records.pb.h"
#include "control/state/state_runner.h"

namespace causeway {

// Makes the recorded files known to `files`, removes files that no record names, and frees the
// blocks of `to_free` (EpochStart). Before anybody creates files. Errors of the state thread, and
// of reading the directories.
absl::Status RecoverFiles(const std::vector<FileRange>& to_free, StateRunner& state,
                          GrantedFiles& files);

// FindIncarnation(), or what stands for it.
using IncarnationFinder =
    std::function<absl::StatusOr<IncarnationFound>(const ProcessIdentity& known)>;

// Looks for the process of each session with `find`: of those that are dead, reports the end to
// `state`; the others are watched, and are expected to attach again. One whose life cannot be told
// (its pid belongs to another namespace) is left as it is: its death will never be proven.
absl::Status RecoverSessions(const std::vector<records::Session>& sessions, StateRunner& state,
                             const IncarnationFinder& find, ExitWatch& processes);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_RECOVERY_H_
