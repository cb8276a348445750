// The handoff connections, as queues of messages that come when the simulation says so.

#ifndef CAUSEWAY_CONTROL_SIMULATION_NETWORK_H_
#define CAUSEWAY_CONTROL_SIMULATION_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "control/api/v1/handoff.pb.h"
#include "control/handoff/handoff_receiver.h"
#include "control/handoff/handoff_sender.h"
#include "control/simulation/descriptors.h"
#include "control/simulation/environment.h"
#include "control/simulation/simulated_processes.h"

namespace causeway::simulation {

struct EventToAgent {
  v1::HandoffEvent event;
  Thing descriptor;
};

// Each end closes by itself; what was sent before is still read.
struct Connection {
  ConnectionId id = 0;
  SimulatedProcess* process = nullptr;  // who connected
  std::deque<std::variant<v1::Hello, v1::BringFile>> to_coordinator;
  std::deque<EventToAgent> to_agent;
  bool agent_closed = false;
  bool coordinator_closed = false;  // or is about to: it sends nothing more
  bool introduced = false;          // OnHello() was called
};

class Network {
 public:
  // To the coordinator that runs; it numbers connections from 1, as each coordinator does.
  std::shared_ptr<Connection> Connect(SimulatedProcess* process);

  // The coordinator's end of every connection is gone.
  void CoordinatorDied();

  std::shared_ptr<Connection> Find(ConnectionId id) const;
  // Those whose end the running coordinator has.
  const std::vector<std::shared_ptr<Connection>>& connections() const { return connections_; }
  // The coordinator has let go of it.
  void Drop(const std::shared_ptr<Connection>& connection);

 private:
  ConnectionId next_id_ = 1;
  std::vector<std::shared_ptr<Connection>> connections_;
};

// One coordinator's HandoffServer.
class SimulatedHandoff : public HandoffSender {
 public:
  SimulatedHandoff(Environment* environment, Network* network, Descriptors* descriptors)
      : environment_(*environment), network_(*network), descriptors_(*descriptors) {}

  absl::Status Send(ConnectionId connection, const v1::HandoffEvent& event,
                    UniqueFd descriptor) override;
  void Refuse(ConnectionId connection, const absl::Status& why) override;
  void Close(ConnectionId connection, const std::string& reason) override;

  // Hands the next message of a connection to `receiver`.
  void Receive(Connection* connection, ProcessTable* processes, HandoffReceiver* receiver);
  // The connection is closed, by either end; tells `receiver`.
  void NoticeClosed(const std::shared_ptr<Connection>& connection, HandoffReceiver* receiver);

 private:
  Environment& environment_;
  Network& network_;
  Descriptors& descriptors_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_NETWORK_H_
