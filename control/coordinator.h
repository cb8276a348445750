// A coordinator, whole: for a program of its own, or inside another.

#ifndef CAUSEWAY_CONTROL_COORDINATOR_H_
#define CAUSEWAY_CONTROL_COORDINATOR_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/coordinator_options.h"

namespace causeway {

// Serves one directory (control/directory/coordinator_directory.h) from Start() to Shutdown().
//
// Agents do not depend on it while it is away: killed, stopped or upgraded, they go on with what
// they were granted and attach again to the next coordinator of the directory, which knows from its
// state who they are. That one checks each of them for life first, and collects the dead.
//
//   absl::StatusOr<std::unique_ptr<Coordinator>> coordinator =
//       Coordinator::Start({.directory = "/run/user/1000/causeway"});
//   if (!coordinator.ok()) return coordinator.status();
//   ...
//   (*coordinator)->Shutdown();
class Coordinator {
 public:
  // Opens the directory and the state, collects what the dead have left, and serves: when it
  // returns, agents can attach. Blocks on the disk.
  //
  // AlreadyExists: a coordinator serves the directory; the message has its pid.
  // FailedPrecondition, DataLoss, Unavailable and others: as CoordinatorDirectory::Open(),
  //   OpenSqliteStore() and Catalog::FromRecords() say, with what to do. Nothing is rewritten.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Start(const CoordinatorOptions& options);

  // Shutdown().
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // Tells the agents (Draining), lets running calls end, stops, and leaves a clean directory: no
  // sockets, no lock, no volatile directory unless a session still needs it; with
  // CoordinatorOptions::ephemeral, nothing at all. Blocks for some seconds at most. Idempotent; not
  // from several threads at once.
  void Shutdown();

  // The directory that it serves, absolute, without symbolic links; and its volatile directory.
  const std::string& directory() const { return directory_; }
  const std::string& volatile_directory() const { return volatile_directory_; }

 private:
  struct Parts;
  explicit Coordinator(std::unique_ptr<Parts> parts);

  const std::string directory_;
  const std::string volatile_directory_;
  std::unique_ptr<Parts> parts_;  // null once it is shut down
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_COORDINATOR_H_
