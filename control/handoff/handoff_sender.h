// What agents are told, as those who tell them see it.

#ifndef CAUSEWAY_CONTROL_HANDOFF_HANDOFF_SENDER_H_
#define CAUSEWAY_CONTROL_HANDOFF_HANDOFF_SENDER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "control/api/v1/handoff.pb.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Names one connection; never reused.
using ConnectionId = uint64_t;

// The way to the agents at the other ends of handoff.sock. HandoffServer is the coordinator's; the
// simulation has one without sockets.
class HandoffSender {
 public:
  virtual ~HandoffSender() = default;

  // Sends `event` with `descriptor`, which may be absent, after everything that was sent before on
  // this connection; waits for nothing.
  // NotFound: the connection is closed, or about to be; the event is lost.
  // ResourceExhausted: a bound is met; the event is lost, and the connection is cut off.
  // InvalidArgument: the event is longer than a datagram may be.
  virtual absl::Status Send(ConnectionId connection, const v1::HandoffEvent& event,
                            UniqueFd descriptor) = 0;

  // Tells the peer why, and closes the connection.
  virtual void Refuse(ConnectionId connection, const absl::Status& why) = 0;

  // Closes the connection once what was sent has been taken by the socket, or at once if it has no
  // room.
  virtual void Close(ConnectionId connection, const std::string& reason) = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_HANDOFF_SENDER_H_
