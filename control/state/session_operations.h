// Agents that come, are lost, come back, leave and die.

#ifndef CAUSEWAY_CONTROL_STATE_SESSION_OPERATIONS_H_
#define CAUSEWAY_CONTROL_STATE_SESSION_OPERATIONS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/state/books.h"
#include "control/state/records.pb.h"

namespace causeway {

struct AttachRequest {
  uint64_t connection_id = 0;  // Not 0, and never used for another connection.
  std::string agent_name;
  records::Incarnation incarnation;  // As the kernel says it, but for the nonce.
  std::string token_sha256;          // 32 bytes.
  int64_t now_unix_ms = 0;
};

struct ResumeRequest {
  uint64_t connection_id = 0;
  uint64_t session_id = 0;
  records::Incarnation incarnation;
  std::string token_sha256;
};

struct AttachResult {
  uint64_t session_id = 0;
  uint64_t coordinator_epoch = 0;
};

// A session's life. Events are facts that the I/O layer learned from the kernel; nothing here is a
// timeout.
//
//                    Attach                 ConnectionLost
//       (nothing) ───────────► ATTACHED ───────────────────► DISCONNECTED
//                                │  ▲                          │   │
//                                │  └──────────────────────────┘   │
//                 Detach: gone ◄─┤             Resume              │ and ProcessExited,
//                                │ Evict                           │ in either order
//                                ▼                                 ▼
//                              FENCED ────────────────────────► proven dead: gone
//
// A proof of death takes both halves: the connection is closed and the process has exited. The
// second half may come first (a child inherited the socket); then it waits for the first.
class SessionOperations {
 public:
  explicit SessionOperations(Books* books) : books_(*books) {}

  // Adds a session and sends its Welcome.
  //
  // INVALID_ARGUMENT: a bad agent name, token hash, nonce or connection. RESOURCE_EXHAUSTED:
  // max_agents. ALREADY_EXISTS: the same incarnation is attached (a nonce is chosen once per
  // attach), or the token is in use.
  absl::StatusOr<AttachResult> Attach(const AttachRequest& request);

  // Binds an existing session to a new connection, closes the one that it had, and sends Welcome,
  // then every descriptor, roster entry and lane that the session has, then SnapshotDone.
  //
  // UNAUTHENTICATED: no such session, or not its token (the two are not told apart).
  // PERMISSION_DENIED: the token is right, but it is another process. FAILED_PRECONDITION: evicted.
  absl::StatusOr<AttachResult> Resume(const ResumeRequest& request);

  // Ends the session as Detach() does, for an agent that was not heard when it left. Errors as for
  // Resume().
  absl::Status Leave(const ResumeRequest& request);

  // The session of a call's token, for the first step of every agent's call.
  //
  // UNAUTHENTICATED: nobody's token. FAILED_PRECONDITION: the session was evicted; the message has
  // the reason.
  absl::StatusOr<uint64_t> Authenticate(std::string_view token_sha256) const;

  // The handoff connection is closed. Stale news, of a connection that the session has replaced or
  // of a session that is gone, is OK and changes nothing.
  absl::Status ConnectionLost(uint64_t session_id, uint64_t connection_id);

  // The process has exited, as its pidfd says (or another boot id, pid or start time does). OK if
  // the session is gone.
  absl::Status ProcessExited(uint64_t session_id);

  // Ends the session at its own wish: its lanes end, its readers leave, its extents are released.
  //
  // NOT_FOUND: no such session. FAILED_PRECONDITION: evicted: what it holds waits for its death.
  absl::Status Detach(uint64_t session_id);

  // Fences the session. Its lanes end and its readers leave, but what it could write stays in the
  // books, granted to nobody else, until its death is proven. Evicting twice is no error.
  //
  // NOT_FOUND: no such session.
  absl::Status Evict(uint64_t session_id, std::string_view reason);

 private:
  // The session, if the request is its own process's.
  absl::StatusOr<const records::Session*> FindOwn(const ResumeRequest& request) const;

  Books& books_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_SESSION_OPERATIONS_H_
