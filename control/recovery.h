// What a new coordinator does about what the last one left.

#ifndef CAUSEWAY_CONTROL_RECOVERY_H_
#define CAUSEWAY_CONTROL_RECOVERY_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "control/files/file_store.h"
#include "control/handoff/process_watch.h"
#include "control/state/place.h"
#include "control/state/records.pb.h"
#include "control/state/state_thread.h"

namespace causeway {

// Makes the recorded files known to `files`, removes files that no record names, and frees the
// blocks of `to_free` (EpochStart). Before anybody creates files. Errors of the state thread, and
// of reading the directories.
absl::Status RecoverFiles(const std::vector<FileRange>& to_free, StateThread& state,
                          FileStore& files);

// Looks for the process of each session: of those that are dead, reports the end to `state`; the
// others are watched, and are expected to attach again. One whose life cannot be told (its pid
// belongs to another namespace) is left as it is: its death will never be proven.
absl::Status RecoverSessions(const std::vector<records::Session>& sessions, StateThread& state,
                             ProcessWatch& processes);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_RECOVERY_H_
