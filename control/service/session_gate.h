// What comes over handoff.sock, as operations on the state.

#ifndef CAUSEWAY_CONTROL_SERVICE_SESSION_GATE_H_
#define CAUSEWAY_CONTROL_SERVICE_SESSION_GATE_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "control/files/file_store.h"
#include "control/handoff/handoff_server.h"
#include "control/service/session_links.h"
#include "control/state/state_thread.h"

namespace causeway {

// Attaches and resumes sessions, takes files that users bring, and reports connections that closed.
// Waits for nothing: the state thread answers.
class SessionGate : public HandoffReceiver {
 public:
  // All must outlive this object.
  SessionGate(StateThread* state, FileStore* files, SessionLinks* links, HandoffServer* handoff)
      : state_(*state), files_(*files), links_(*links), handoff_(*handoff) {}

  void OnHello(ConnectionId connection, PeerProcess peer, const v1::Hello& hello) override;
  void OnBringFile(ConnectionId connection, const v1::BringFile& request,
                   UniqueFd descriptor) override;
  void OnClosed(ConnectionId connection, const std::string& reason) override;

 private:
  void AnswerBroughtFile(ConnectionId connection, uint64_t request_id, uint64_t file_id,
                         const absl::Status& status);

  // Counts the files of a connection that the state thread has not answered yet. False: too many.
  bool BeginBringing(ConnectionId connection);
  void EndBringing(ConnectionId connection);

  StateThread& state_;
  FileStore& files_;
  SessionLinks& links_;
  HandoffServer& handoff_;
  absl::Mutex mutex_;
  absl::flat_hash_map<ConnectionId, int> bringing_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_SESSION_GATE_H_
