// The end of agents' processes, as those who wait for it see it.

#ifndef CAUSEWAY_CONTROL_HANDOFF_EXIT_WATCH_H_
#define CAUSEWAY_CONTROL_HANDOFF_EXIT_WATCH_H_

#include <cstdint>

#include "absl/status/status.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Reports the exit of a session's process once, to whom it was made for. ProcessWatch is the
// coordinator's; the simulation has one without a kernel.
class ExitWatch {
 public:
  virtual ~ExitWatch() = default;

  // Waits for the process of `pidfd`, which must be valid, on behalf of a session; instead of the
  // one that was waited for before, if any.
  // ResourceExhausted: fs.epoll.max_user_watches. It is tried again, until it succeeds.
  virtual absl::Status Watch(uint64_t session_id, UniqueFd pidfd) = 0;

  // Another descriptor of the process that is waited for. Absent: it is not waited for, or has been
  // reported, or no descriptor is left.
  virtual UniqueFd Pidfd(uint64_t session_id) = 0;

  // Waits no more. Not watched: nothing.
  virtual void Forget(uint64_t session_id) = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_EXIT_WATCH_H_
