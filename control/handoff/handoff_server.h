// The coordinator's end of handoff.sock.

#ifndef CAUSEWAY_CONTROL_HANDOFF_HANDOFF_SERVER_H_
#define CAUSEWAY_CONTROL_HANDOFF_HANDOFF_SERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "control/api/seqpacket/seqpacket.h"
#include "control/api/v1/handoff.pb.h"
#include "control/handoff/event_loop.h"
#include "control/handoff/handoff_receiver.h"
#include "control/handoff/handoff_sender.h"
#include "control/handoff/listener.h"
#include "control/handoff/outbound_queue.h"
#include "control/process/peer_process.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

struct HandoffLimits {
  size_t max_connections = 1024;
  std::chrono::milliseconds hello_deadline{5000};  // from connect() to Hello
  OutboundLimits outbound;                         // of each connection
};

// Accepts connections, takes the peers' identity from the kernel, parses strictly and keeps what is
// to be sent until it can be sent. It waits for nothing but the kernel's events.
//
// A peer that breaks the protocol, or does not say Hello in time, is told why (Refused) and cut
// off, with a line in the log. So is one that does not read what it is sent, once the bounds are
// met: its session goes on, and it may connect again and resume.
//
// Thread-safe. The loop must be stopped before this object goes away.
class HandoffServer : public HandoffSender {
 public:
  // A server without connections. `loop` must outlive it. ResourceExhausted: no descriptor left.
  static absl::StatusOr<std::unique_ptr<HandoffServer>> Create(EventLoop* loop,
                                                               const HandoffLimits& limits);

  // Begins to accept from `listening`, a listening SOCK_SEQPACKET Unix socket, and to report to
  // `receiver`, which must outlive the loop. Once. ResourceExhausted: fs.epoll.max_user_watches.
  absl::Status Serve(UniqueFd listening, HandoffReceiver* receiver);

  HandoffServer(const HandoffServer&) = delete;
  HandoffServer& operator=(const HandoffServer&) = delete;

  // Waits for nothing.
  absl::Status Send(ConnectionId connection, const v1::HandoffEvent& event,
                    UniqueFd descriptor) override;
  void Refuse(ConnectionId connection, const absl::Status& why) override;
  void Close(ConnectionId connection, const std::string& reason) override;

  // Accepts no more connections, and closes the listening socket.
  void StopAccepting();

 private:
  using Clock = std::chrono::steady_clock;

  struct Connection {
    explicit Connection(const OutboundLimits& limits) : outbound(limits) {}

    UniqueFd socket;
    EventLoop::WatchId watch = 0;
    std::optional<PeerProcess> peer;  // until its Hello
    OutboundQueue outbound;
    bool introduced = false;
    bool writes_wanted = false;  // EPOLLOUT is waited for
    bool doomed = false;         // to be closed: nothing more is sent or read
    bool cut_off = false;        // for what the agent did, or did not do
  };

  HandoffServer(EventLoop* loop, const HandoffLimits& limits);

  // On the loop's thread.
  void Adopt(UniqueFd socket);
  void OnReady(ConnectionId id, uint32_t events);
  bool ReadOne(ConnectionId id);
  void Handle(ConnectionId id, Datagram datagram);
  void OnWritable(ConnectionId id);
  void OnTimer();
  void CloseNow(ConnectionId id, const std::string& reason);

  // Sends what can be sent now and asks to be woken for the rest.
  absl::Status FlushLocked(Connection& connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SendLocked(ConnectionId id, const v1::HandoffEvent& event, UniqueFd descriptor)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As DoomLocked(), and operators are told.
  void CutOffLocked(ConnectionId id, Connection& connection, const std::string& reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing more is sent; the loop's thread closes the connection soon.
  void DoomLocked(ConnectionId id, Connection& connection, const std::string& reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ArmTimerLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EventLoop* const loop_;
  const HandoffLimits limits_;
  HandoffReceiver* receiver_ = nullptr;  // set before there are connections
  const UniqueFd timer_;                 // timerfd: rings when the oldest Hello is due
  std::unique_ptr<Listener> listener_;   // since Serve()

  absl::Mutex mutex_;
  ConnectionId next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<ConnectionId, std::unique_ptr<Connection>> connections_
      ABSL_GUARDED_BY(mutex_);
  // In the order of connecting, which is that of the deadlines.
  std::deque<std::pair<Clock::time_point, ConnectionId>> hellos_due_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_HANDOFF_SERVER_H_
