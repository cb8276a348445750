#include "control/handoff/handoff_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "control/log/log.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

// Datagrams read from one connection before the others get their turn.
constexpr int kReadsPerTurn = 16;

// The kernel resets a connection that is closed with something unread, and the peer might miss why.
constexpr int kReadsBeforeClose = 64;

v1::HandoffEvent RefusedEvent(const absl::Status& why) {
  v1::HandoffEvent event;
  event.mutable_refused()->set_code(static_cast<int32_t>(why.code()));
  event.mutable_refused()->set_message(std::string(why.message()));
  return event;
}

void DiscardUnread(int socket) {
  for (int i = 0; i < kReadsBeforeClose; ++i) {
    const absl::StatusOr<Datagram> datagram = ReceiveDatagram(socket);
    if (absl::IsUnavailable(datagram.status()) || absl::IsAborted(datagram.status())) return;
    if (datagram.ok() && datagram->end()) return;
  }
}

absl::StatusOr<v1::HandoffRequest> ParseRequest(const Datagram& datagram) {
  v1::HandoffRequest request;
  if (!request.ParseFromString(datagram.bytes)) {
    return absl::InvalidArgumentError("a datagram is not a HandoffRequest");
  }
  switch (request.request_case()) {
    case v1::HandoffRequest::kHello:
      if (datagram.descriptor.valid()) {
        return absl::InvalidArgumentError("Hello came with a descriptor; it has none");
      }
      return request;
    case v1::HandoffRequest::kBringFile:
      if (!datagram.descriptor.valid()) {
        return absl::InvalidArgumentError("BringFile came without a descriptor");
      }
      return request;
    case v1::HandoffRequest::REQUEST_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "a HandoffRequest holds no request that this coordinator knows; is the agent newer?");
}

}  // namespace

absl::StatusOr<std::unique_ptr<HandoffServer>> HandoffServer::Create(EventLoop* loop,
                                                                     const HandoffLimits& limits) {
  std::unique_ptr<HandoffServer> server(new HandoffServer(loop, limits));
  if (!server->timer_.valid()) {
    return absl::ResourceExhaustedError(
        "no descriptor left for handoff.sock: raise the limit of open files (ulimit -n)");
  }
  absl::StatusOr<EventLoop::WatchId> timer =
      loop->Add(server->timer_.get(), EPOLLIN, [raw = server.get()](uint32_t) { raw->OnTimer(); });
  if (!timer.ok()) return timer.status();
  return server;
}

HandoffServer::HandoffServer(EventLoop* loop, const HandoffLimits& limits)
    : loop_(loop),
      limits_(limits),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

absl::Status HandoffServer::Serve(UniqueFd listening, HandoffReceiver* receiver) {
  receiver_ = receiver;
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Start(
      loop_, "handoff.sock", std::move(listening),
      [this](UniqueFd socket) { Adopt(std::move(socket)); },
      [](int socket) {
        const absl::Status why = absl::ResourceExhaustedError(
            "the coordinator has no descriptor left: raise its limit of open files (ulimit -n)");
        SendDatagram(socket, RefusedEvent(why).SerializeAsString()).IgnoreError();
        Log(LogLevel::kError, "connection refused", {{"reason", why}});
      });
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  return absl::OkStatus();
}

absl::Status HandoffServer::Send(ConnectionId connection, const v1::HandoffEvent& event,
                                 UniqueFd descriptor) {
  absl::MutexLock lock(&mutex_);
  return SendLocked(connection, event, std::move(descriptor));
}

absl::Status HandoffServer::SendLocked(ConnectionId id, const v1::HandoffEvent& event,
                                       UniqueFd descriptor) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->doomed) {
    return absl::NotFoundError(absl::StrCat("connection ", id, " is closed"));
  }
  Connection& connection = *found->second;
  std::string bytes = event.SerializeAsString();
  if (bytes.empty() || bytes.size() > kMaxDatagramBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an event of ", bytes.size(), " bytes; it must have 1 to ", kMaxDatagramBytes));
  }
  CAUSEWAY_CRASH_POINT("coordinator.handoff.send_begun");
  absl::Status status = connection.outbound.Push(std::move(bytes), std::move(descriptor));
  if (status.ok()) status = FlushLocked(connection);
  CAUSEWAY_CRASH_POINT("coordinator.handoff.sent");
  if (!status.ok()) CutOffLocked(id, connection, std::string(status.message()));
  return absl::IsAborted(status) ? absl::NotFoundError(status.message()) : status;
}

void HandoffServer::Refuse(ConnectionId connection, const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  SendLocked(connection, RefusedEvent(why), UniqueFd()).IgnoreError();
  const auto found = connections_.find(connection);
  if (found == connections_.end() || found->second->doomed) return;
  CutOffLocked(connection, *found->second, absl::StrCat("refused: ", why.ToString()));
}

void HandoffServer::Close(ConnectionId connection, const std::string& reason) {
  absl::MutexLock lock(&mutex_);
  const auto found = connections_.find(connection);
  if (found == connections_.end() || found->second->doomed) return;
  DoomLocked(connection, *found->second, reason);
}

void HandoffServer::StopAccepting() {
  if (listener_ != nullptr) listener_->Close();
}

absl::Status HandoffServer::FlushLocked(Connection& connection) {
  const absl::Status status = connection.outbound.Flush(connection.socket.get());
  const bool writes_wanted = status.ok() && !connection.outbound.empty();
  if (writes_wanted != connection.writes_wanted) {
    connection.writes_wanted = writes_wanted;
    loop_->Change(connection.watch, EPOLLIN | (writes_wanted ? EPOLLOUT : 0u));
  }
  return status;
}

void HandoffServer::CutOffLocked(ConnectionId id, Connection& connection,
                                 const std::string& reason) {
  connection.cut_off = true;
  DoomLocked(id, connection, reason);
}

void HandoffServer::DoomLocked(ConnectionId id, Connection& connection, const std::string& reason) {
  connection.doomed = true;
  loop_->Post([this, id, reason] { CloseNow(id, reason); });
}

void HandoffServer::Adopt(UniqueFd socket) {
  CAUSEWAY_CRASH_POINT("coordinator.handoff.accepted");
  absl::StatusOr<PeerProcess> peer = IdentifyPeer(socket.get());
  absl::MutexLock lock(&mutex_);
  absl::Status status = peer.status();
  if (status.ok() && connections_.size() >= limits_.max_connections) {
    status = absl::ResourceExhaustedError(
        absl::StrCat("the coordinator has ", connections_.size(),
                     " connections, its limit (max_connections); close some agents or raise it"));
  }
  const ConnectionId id = next_id_++;
  auto connection = std::make_unique<Connection>(limits_.outbound);
  if (status.ok()) {
    absl::StatusOr<EventLoop::WatchId> watch =
        loop_->Add(socket.get(), EPOLLIN, [this, id](uint32_t events) { OnReady(id, events); });
    if (watch.ok()) connection->watch = *watch;
    status = watch.status();
  }
  if (!status.ok()) {
    SendDatagram(socket.get(), RefusedEvent(status).SerializeAsString()).IgnoreError();
    Log(LogLevel::kWarning, "connection refused", {{"reason", status}});
    return;
  }
  connection->socket = std::move(socket);
  connection->peer = *std::move(peer);
  connections_[id] = std::move(connection);
  hellos_due_.emplace_back(Clock::now() + limits_.hello_deadline, id);
  if (hellos_due_.size() == 1) ArmTimerLocked();
}

void HandoffServer::OnReady(ConnectionId id, uint32_t events) {
  if ((events & EPOLLOUT) != 0) OnWritable(id);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (!ReadOne(id)) return;
  }
}

// True if there may be more to read.
bool HandoffServer::ReadOne(ConnectionId id) {
  int socket;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second->doomed) return false;
    socket = found->second->socket.get();  // Closed by this thread only.
  }
  absl::StatusOr<Datagram> datagram = ReceiveDatagram(socket);
  if (absl::IsUnavailable(datagram.status())) return false;
  if (!datagram.ok()) {
    if (absl::IsAborted(datagram.status())) {
      CloseNow(id, "the agent has closed it");
    } else {
      Refuse(id, datagram.status());
    }
    return false;
  }
  if (datagram->end()) {
    CloseNow(id, "the agent has closed it");
    return false;
  }
  Handle(id, *std::move(datagram));
  return true;
}

void HandoffServer::Handle(ConnectionId id, Datagram datagram) {
  absl::StatusOr<v1::HandoffRequest> request = ParseRequest(datagram);
  if (!request.ok()) {
    Refuse(id, request.status());
    return;
  }
  std::optional<PeerProcess> peer;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second->doomed) return;
    Connection& connection = *found->second;
    if (request->has_hello() && connection.introduced) {
      status = absl::InvalidArgumentError("a second Hello on one connection");
    } else if (!request->has_hello() && !connection.introduced) {
      status = absl::InvalidArgumentError("the first message must be Hello");
    } else if (request->has_hello()) {
      connection.introduced = true;
      peer = std::exchange(connection.peer, std::nullopt);
    }
  }
  if (!status.ok()) {
    Refuse(id, status);
  } else if (peer.has_value()) {
    receiver_->OnHello(id, *std::move(peer), request->hello());
  } else {
    receiver_->OnBringFile(id, request->bring_file(), std::move(datagram.descriptor));
  }
}

void HandoffServer::OnWritable(ConnectionId id) {
  absl::MutexLock lock(&mutex_);
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->doomed) return;
  const absl::Status status = FlushLocked(*found->second);
  if (!status.ok()) CutOffLocked(id, *found->second, std::string(status.message()));
}

void HandoffServer::OnTimer() {
  uint64_t rings;
  if (read(timer_.get(), &rings, sizeof(rings)) < 0) return;
  std::vector<ConnectionId> late;
  {
    absl::MutexLock lock(&mutex_);
    const Clock::time_point now = Clock::now();
    while (!hellos_due_.empty()) {
      const auto [due, id] = hellos_due_.front();
      const auto found = connections_.find(id);
      const bool waiting = found != connections_.end() && !found->second->introduced;
      if (waiting && due > now) break;
      if (waiting) late.push_back(id);
      hellos_due_.pop_front();
    }
    ArmTimerLocked();
  }
  for (ConnectionId id : late) {
    Refuse(id, absl::DeadlineExceededError(absl::StrCat(
                   "no Hello came within ", limits_.hello_deadline.count(), " ms of connecting")));
  }
}

void HandoffServer::ArmTimerLocked() {
  itimerspec when = {};
  if (!hellos_due_.empty()) {
    const auto left =
        std::max(std::chrono::nanoseconds(1), std::chrono::duration_cast<std::chrono::nanoseconds>(
                                                  hellos_due_.front().first - Clock::now()));
    when.it_value.tv_sec = left.count() / 1'000'000'000;
    when.it_value.tv_nsec = left.count() % 1'000'000'000;
  }
  timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void HandoffServer::CloseNow(ConnectionId id, const std::string& reason) {
  std::unique_ptr<Connection> connection;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    connection = std::move(found->second);
    connections_.erase(found);
    loop_->Remove(connection->watch);
  }
  if (connection->cut_off) {
    Log(LogLevel::kWarning, "connection cut off", {{"connection", id}, {"reason", reason}});
  }
  if (connection->doomed) DiscardUnread(connection->socket.get());
  connection->socket.Reset();
  CAUSEWAY_CRASH_POINT("coordinator.handoff.closed");
  if (connection->introduced) receiver_->OnClosed(id, reason);
}

}  // namespace causeway
