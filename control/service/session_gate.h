// What comes over handoff.sock, as operations on the state.

#ifndef CAUSEWAY_CONTROL_SERVICE_SESSION_GATE_H_
#define CAUSEWAY_CONTROL_SERVICE_SESSION_GATE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "control/files/granted_files.h"
#include "control/handoff/handoff_receiver.h"
#include "control/handoff/handoff_sender.h"
#include "control/service/calls.h"
#include "control/service/obligations.h"
#include "control/service/session_links.h"
#include "control/service/session_token.h"
#include "control/state/state_runner.h"

namespace causeway {

// Attaches and resumes sessions, takes files that users bring, and reports connections that closed.
// Waits for nothing: the state thread answers.
class SessionGate : public HandoffReceiver {
 public:
  struct Parts {
    StateRunner* state;
    GrantedFiles* files;
    Obligations* obligations;
    SessionLinks* links;
    HandoffSender* handoff;
    std::function<int64_t()> now_unix_ms = NowUnixMs;
    std::function<absl::StatusOr<std::string>()> draw_token = NewSessionToken;
  };

  // Everything in `parts` must outlive this object.
  explicit SessionGate(Parts parts) : parts_(std::move(parts)) {}

  void OnHello(ConnectionId connection, PeerProcess peer, const v1::Hello& hello) override;
  void OnBringFile(ConnectionId connection, const v1::BringFile& request,
                   UniqueFd descriptor) override;
  void OnClosed(ConnectionId connection, const std::string& reason) override;

 private:
  // Ends the session of an agent that had gone while no coordinator was there to hear it.
  void OnLeaving(ConnectionId connection, const PeerProcess& peer, const v1::Hello& hello);

  void AnswerBroughtFile(ConnectionId connection, uint64_t request_id, uint64_t file_id,
                         const absl::Status& status);

  // Counts the files of a connection that the state thread has not answered yet. False: too many.
  bool BeginBringing(ConnectionId connection);
  void EndBringing(ConnectionId connection);

  const Parts parts_;
  absl::Mutex mutex_;
  absl::flat_hash_map<ConnectionId, int> bringing_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_SESSION_GATE_H_
