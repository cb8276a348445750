// A coordinator for one job: a child process with directories of its own, of which nothing stays.

#ifndef CAUSEWAY_AGENTS_CLI_EPHEMERAL_COORDINATOR_H_
#define CAUSEWAY_AGENTS_CLI_EPHEMERAL_COORDINATOR_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/cli/process_group.h"

namespace causeway {

// The subcommand that serves a directory.
inline constexpr char kCoordinator[] = "coordinator";

// The coordinator makes the directories itself, so nothing is left if this process is killed before
// or after; if both are killed at once, the next EphemeralCoordinator collects what is left. Not
// thread-safe.
class EphemeralCoordinator {
 public:
  // `volatile_parent`: where its directory for shared memory is made; empty: /dev/shm.
  explicit EphemeralCoordinator(const std::string& volatile_parent);
  EphemeralCoordinator(const EphemeralCoordinator&) = delete;
  EphemeralCoordinator& operator=(const EphemeralCoordinator&) = delete;

  // Removes what a coordinator that was killed has left. The group must have stopped it before.
  ~EphemeralCoordinator();

  // Starts it as a child of `group`, whose first it must be, and waits until it serves.
  // Cancelled: a signal came meanwhile; `signal` says which. Unavailable: it ended; its own words
  // are on standard error. DeadlineExceeded: it did not get ready. Others as
  // ProcessGroup::Start().
  absl::Status Start(ProcessGroup& group, int& signal);

  const std::string& dir() const { return dir_; }

 private:
  const std::string dir_;
  const std::string volatile_dir_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_EPHEMERAL_COORDINATOR_H_
