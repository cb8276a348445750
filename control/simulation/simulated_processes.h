// Processes that live, stand still and end, and what the coordinator hears of it.

#ifndef CAUSEWAY_CONTROL_SIMULATION_SIMULATED_PROCESSES_H_
#define CAUSEWAY_CONTROL_SIMULATION_SIMULATED_PROCESSES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/handoff/exit_watch.h"
#include "control/process/incarnation.h"
#include "control/process/peer_process.h"
#include "control/process/process_identity.h"
#include "control/simulation/descriptors.h"
#include "control/simulation/environment.h"

namespace causeway::simulation {

struct SimulatedProcess {
  int64_t pid = 0;
  uint64_t start_ticks = 0;  // no two have the same
  bool provable = true;      // false: of a pid namespace that the coordinator cannot see
  bool alive = true;
  bool stopped = false;
  // A child of it lives on with its handoff connection, and perhaps its mappings.
  bool has_child = false;

  bool may_write() const { return alive || has_child; }
};

// Pids are few, so that they come again.
class ProcessTable {
 public:
  ProcessTable(Environment* environment, Descriptors* descriptors)
      : environment_(*environment), descriptors_(*descriptors) {}

  SimulatedProcess* Start();
  // What the kernel says about the process at the other end of a socket.
  PeerProcess Identify(const SimulatedProcess& process);
  // As FindIncarnation().
  absl::StatusOr<IncarnationFound> Find(const ProcessIdentity& known);

  // The process that a pidfd was opened for: of several with one pid, the last one.
  const SimulatedProcess* OfPid(int64_t pid) const;
  const std::vector<std::unique_ptr<SimulatedProcess>>& all() const { return all_; }

 private:
  Environment& environment_;
  Descriptors& descriptors_;
  std::vector<std::unique_ptr<SimulatedProcess>> all_;
};

// One coordinator's ProcessWatch.
class SimulatedExitWatch : public ExitWatch {
 public:
  SimulatedExitWatch(Environment* environment, ProcessTable* processes, Descriptors* descriptors)
      : environment_(*environment), processes_(*processes), descriptors_(*descriptors) {}

  absl::Status Watch(uint64_t session_id, UniqueFd pidfd) override;
  UniqueFd Pidfd(uint64_t session_id) override;
  void Forget(uint64_t session_id) override { watched_.erase(session_id); }

  // A session whose process has ended, and of which this is the first news.
  std::optional<uint64_t> TakeExited();
  bool AnyExited() const;
  size_t size() const { return watched_.size(); }

 private:
  bool Exited(const SimulatedProcess* process) const;

  Environment& environment_;
  ProcessTable& processes_;
  Descriptors& descriptors_;
  std::map<uint64_t, const SimulatedProcess*> watched_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_SIMULATED_PROCESSES_H_
