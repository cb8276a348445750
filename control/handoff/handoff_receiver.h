// What agents say on handoff.sock, as those who are told see it.

#ifndef CAUSEWAY_CONTROL_HANDOFF_HANDOFF_RECEIVER_H_
#define CAUSEWAY_CONTROL_HANDOFF_HANDOFF_RECEIVER_H_

#include <string>

#include "control/api/v1/handoff.pb.h"
#include "control/handoff/handoff_sender.h"
#include "control/process/peer_process.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// What the connections bring, called on the event loop's thread, one call at a time. Must not
// block.
class HandoffReceiver {
 public:
  virtual ~HandoffReceiver() = default;

  // A process has introduced itself. Whatever it is answered comes with Send() or Refuse().
  virtual void OnHello(ConnectionId connection, PeerProcess peer, const v1::Hello& hello) = 0;

  // After OnHello(), perhaps before it was answered.
  virtual void OnBringFile(ConnectionId connection, const v1::BringFile& request,
                           UniqueFd descriptor) = 0;

  // A connection that OnHello() was called for is closed; `reason` is for people. The last call for
  // it.
  virtual void OnClosed(ConnectionId connection, const std::string& reason) = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_HANDOFF_RECEIVER_H_
