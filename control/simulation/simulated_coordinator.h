// A coordinator, whole but for the kernel: the product's code on simulated parts.

#ifndef CAUSEWAY_CONTROL_SIMULATION_SIMULATED_COORDINATOR_H_
#define CAUSEWAY_CONTROL_SIMULATION_SIMULATED_COORDINATOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "control/service/admin_calls.h"
#include "control/service/calls.h"
#include "control/service/effect_delivery.h"
#include "control/service/obligations.h"
#include "control/service/reader_calls.h"
#include "control/service/session_gate.h"
#include "control/service/session_links.h"
#include "control/service/split_calls.h"
#include "control/service/split_waiters.h"
#include "control/service/writer_calls.h"
#include "control/simulation/descriptors.h"
#include "control/simulation/environment.h"
#include "control/simulation/network.h"
#include "control/simulation/simulated_files.h"
#include "control/simulation/simulated_processes.h"
#include "control/simulation/simulated_state.h"
#include "control/simulation/simulated_store.h"
#include "control/simulation/state_disk.h"
#include "control/state/limits.h"
#include "control/watched_store.h"

namespace causeway::simulation {

// What outlives coordinators.
struct Machine {
  Machine(Environment* environment, StateDisk* state)
      : processes(environment, &descriptors), state(*state) {}

  Descriptors descriptors;
  ProcessTable processes;
  Network network;
  FileSystem files;
  StateDisk& state;
  uint64_t tokens = 0;  // drawn so far
};

// Composed as Coordinator is.
class SimulatedCoordinator {
 public:
  SimulatedCoordinator(Environment* environment, Machine* machine, const Limits& limits);
  ~SimulatedCoordinator();

  // Opens the state and recovers. An error with the power on breaks a law.
  absl::Status Start();

  // What it does by itself, each when the simulation says so.
  void ReportExit();
  void NoticeClosed(const std::shared_ptr<Connection>& connection);
  void Receive(Connection* connection);
  void DoSlowWork();
  // It is dead: whoever waits for it is told so.
  void TurnAway();
  size_t slow_work() const { return slow_work_.size(); }
  void RepeatObligations() { obligations_->Repeat(); }
  size_t unmet_obligations() const { return obligations_->unmet(); }

  // It gave up its store: only a new coordinator can go on.
  bool failed() const { return failed_; }
  uint64_t epoch() const { return epoch_; }

  SimulatedState& state() { return *state_; }
  const Books& books() const { return state_->catalog().books(); }
  const SimulatedFiles& files() const { return files_; }
  const SimulatedExitWatch& exits() const { return exits_; }
  const SessionLinks& links() const { return links_; }

  WriterCalls& writers() { return *writers_; }
  ReaderCalls& readers() { return *readers_; }
  SplitCalls& splits() { return *splits_; }
  AdminCalls& admin() { return *admin_; }
  absl::Status Detach(const std::string& token_sha256);

 private:
  Environment& environment_;
  Machine& machine_;
  const Limits limits_;
  bool failed_ = false;
  uint64_t epoch_ = 0;
  SessionLinks links_;
  SplitWaiters waiters_{4};
  std::deque<std::function<void()>> slow_work_;
  SimulatedFiles files_;
  SimulatedHandoff handoff_;
  SimulatedExitWatch exits_;
  std::optional<WatchedStore> store_;
  std::optional<EffectDelivery> effects_;
  std::optional<SimulatedState> state_;
  std::optional<Obligations> obligations_;
  std::optional<SessionGate> gate_;
  std::optional<WriterCalls> writers_;
  std::optional<ReaderCalls> readers_;
  std::optional<SplitCalls> splits_;
  std::optional<AdminCalls> admin_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_SIMULATED_COORDINATOR_H_
