// The agent's end of <dir>/handoff.sock: events come one to a datagram, each with the descriptor
// that it speaks of (control/api/v1/handoff.proto).

#ifndef CAUSEWAY_AGENTS_HANDOFF_CONNECTION_H_
#define CAUSEWAY_AGENTS_HANDOFF_CONNECTION_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "control/api/v1/handoff.pb.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// An event, and its descriptor if it is one that has one. The descriptor is close-on-exec.
struct HandoffMessage {
  v1::HandoffEvent event;
  UniqueFd fd;
};

// Send() may be called from any thread, Receive() from one. What was received is checked for its
// shape only: one known event, with a descriptor exactly if the contract says so.
class HandoffConnection {
 public:
  // Connects to the socket of the coordinator that owns `dir`. Does not wait.
  //
  // Unavailable: nobody listens there (yet), or its queue is full; try again.
  // PermissionDenied: the socket is not open to this user. InvalidArgument: not a usable path.
  // ResourceExhausted: descriptors.
  static absl::StatusOr<HandoffConnection> Connect(const std::string& dir);

  // Takes over a connected SOCK_SEQPACKET socket. `label` is its path, for messages.
  HandoffConnection(UniqueFd socket, std::string label)
      : socket_(std::move(socket)), label_(std::move(label)) {}

  HandoffConnection(HandoffConnection&&) = default;
  HandoffConnection& operator=(HandoffConnection&&) = default;

  // Sends one request, with `fd` attached unless it is negative; `fd` stays the caller's. Does not
  // wait.
  //
  // Unavailable: the connection is lost, or the coordinator does not read.
  // InvalidArgument: the message is too long, or `fd` is not an open descriptor.
  // ResourceExhausted: too many descriptors of this user are on their way, unread.
  absl::Status Send(const v1::HandoffRequest& request, int fd = -1) const;

  // The next event, or nothing if there is none yet. Does not wait: poll fd() for reading.
  //
  // Unavailable: the connection is lost.
  // DataLoss: the datagram is not one of the contract's; the connection is of no use any more.
  // ResourceExhausted: a descriptor could not be received, since this process has too many open;
  //   the connection is of no use any more.
  absl::StatusOr<std::optional<HandoffMessage>> Receive() const;

  int fd() const { return socket_.get(); }

 private:
  absl::Status Malformed(absl::string_view why) const;

  UniqueFd socket_;
  std::string label_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_HANDOFF_CONNECTION_H_
