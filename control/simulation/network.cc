#include "control/simulation/network.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "mmapcore/page.h"

namespace causeway::simulation {
namespace {

// A regular file, for users to bring.
UniqueFd BroughtFile() {
  static const int file = [] {
    const int made = memfd_create("brought", MFD_CLOEXEC);
    return made < 0 || ftruncate(made, static_cast<off_t>(6 * PageSize())) != 0 ? -1 : made;
  }();
  return UniqueFd(fcntl(file, F_DUPFD_CLOEXEC, 0));
}

}  // namespace

std::shared_ptr<Connection> Network::Connect(SimulatedProcess* process) {
  auto connection = std::make_shared<Connection>();
  connection->id = next_id_++;
  connection->process = process;
  connections_.push_back(connection);
  return connection;
}

void Network::CoordinatorDied() {
  for (const auto& connection : connections_) connection->coordinator_closed = true;
  connections_.clear();
  next_id_ = 1;
}

std::shared_ptr<Connection> Network::Find(ConnectionId id) const {
  for (const auto& connection : connections_) {
    if (connection->id == id) return connection;
  }
  return nullptr;
}

void Network::Drop(const std::shared_ptr<Connection>& connection) {
  connection->coordinator_closed = true;
  std::erase(connections_, connection);
}

absl::Status SimulatedHandoff::Send(ConnectionId id, const v1::HandoffEvent& event,
                                    UniqueFd descriptor) {
  const Thing thing = descriptor.valid() ? descriptors_.Take(std::move(descriptor)) : Thing{};
  if (!environment_.Reach("before an event is sent")) return absl::NotFoundError("dead");
  const std::shared_ptr<Connection> connection = network_.Find(id);
  if (connection == nullptr || connection->coordinator_closed) {
    return absl::NotFoundError("the connection is closed");
  }
  if (environment_.choices.OneIn(400)) {
    environment_.Trace("connection ", id, " is cut off: events wait unread");
    connection->coordinator_closed = true;
    return absl::ResourceExhaustedError("events wait unread");
  }
  connection->to_agent.push_back({.event = event, .descriptor = thing});
  if (environment_.bug == PlantedBug::kEventsOvertake && connection->to_agent.size() > 1 &&
      environment_.choices.OneIn(4)) {
    std::swap(connection->to_agent.back(), *(connection->to_agent.end() - 2));
  }
  environment_.Reach("after an event is sent");
  return absl::OkStatus();
}

void SimulatedHandoff::Refuse(ConnectionId id, const absl::Status& why) {
  v1::HandoffEvent event;
  event.mutable_refused()->set_code(static_cast<int32_t>(why.code()));
  event.mutable_refused()->set_message(std::string(why.message()));
  Send(id, event, UniqueFd()).IgnoreError();
  Close(id, std::string(why.message()));
}

void SimulatedHandoff::Close(ConnectionId id, const std::string&) {
  if (!environment_.power()) return;
  const std::shared_ptr<Connection> connection = network_.Find(id);
  if (connection != nullptr) connection->coordinator_closed = true;
}

void SimulatedHandoff::Receive(Connection* connection, ProcessTable* processes,
                               HandoffReceiver* receiver) {
  const auto message = std::move(connection->to_coordinator.front());
  connection->to_coordinator.pop_front();
  if (connection->coordinator_closed) return;
  if (const auto* hello = std::get_if<v1::Hello>(&message); hello != nullptr) {
    environment_.Trace("connection ", connection->id, " says hello for session ",
                       hello->session_id());
    connection->introduced = true;
    receiver->OnHello(connection->id, processes->Identify(*connection->process), *hello);
  } else {
    environment_.Trace("connection ", connection->id, " brings a file");
    receiver->OnBringFile(connection->id, std::get<v1::BringFile>(message), BroughtFile());
  }
}

void SimulatedHandoff::NoticeClosed(const std::shared_ptr<Connection>& connection,
                                    HandoffReceiver* receiver) {
  environment_.Trace("connection ", connection->id, " is seen to be closed");
  network_.Drop(connection);
  if (connection->introduced) receiver->OnClosed(connection->id, "simulated");
}

}  // namespace causeway::simulation
