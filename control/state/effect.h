// What the world has to be told of a change once the change is in the store.

#ifndef CAUSEWAY_CONTROL_STATE_EFFECT_H_
#define CAUSEWAY_CONTROL_STATE_EFFECT_H_

#include <cstdint>
#include <string>
#include <variant>

#include "control/api/v1/handoff.pb.h"
#include "control/api/v1/types.pb.h"

namespace causeway {

// Sends `event` on a session's handoff connection. Events of one session must arrive in the order
// in which they are delivered here.
//
// The sink completes what the state machine does not know: Welcome.token, which it drew itself for
// this connection; DescriptorGranted.label, the file's path; and the descriptor of PeerProcess,
// which is not sent where there is none, or where the agent does not know it. A Welcome also tells
// it that `connection_id` now belongs to `session_id`.
struct SendEvent {
  uint64_t session_id = 0;
  uint64_t connection_id = 0;
  v1::HandoffEvent event;
  // The file whose descriptor travels with the event, opened with exactly `descriptor_protection`;
  // 0: none.
  uint64_t descriptor_file_id = 0;
  v1::Protection descriptor_protection = v1::PROTECTION_UNSPECIFIED;
};

// Closes a handoff connection after what was sent on it: the session detached, was evicted, or
// resumed on another one.
struct CloseConnection {
  uint64_t session_id = 0;
  uint64_t connection_id = 0;
};

// The session is gone for good: forget its pidfd.
struct SessionEnded {
  uint64_t session_id = 0;
};

// Unlinks a file of the coordinator's and closes the coordinator's descriptor of it. With
// `truncate`, cuts it to nothing first, so that the space comes back although somebody may still
// have it mapped. The file may be missing (its creation failed, or it was unlinked before a crash):
// that is no error.
struct RetireFile {
  uint64_t file_id = 0;
  std::string name;
  v1::Durability durability = v1::DURABILITY_UNSPECIFIED;
  bool truncate = false;
};

// Closes the coordinator's descriptor of a file that a user brought.
struct ForgetBroughtFile {
  uint64_t file_id = 0;
};

// Extents of the split came back, or it finished, failed or closed: whoever waits in TakeExtent
// should ask again.
struct SplitChanged {
  uint64_t split_id = 0;
  std::string name;
};

using Effect = std::variant<SendEvent, CloseConnection, SessionEnded, RetireFile, ForgetBroughtFile,
                            SplitChanged>;

// Implemented by the I/O layer.
class EffectSink {
 public:
  virtual ~EffectSink() = default;

  // Called on the state thread, after the commit and before the operation is answered, in commit
  // order. Must not block (slow work, such as freeing a large file, is queued; inodes are never
  // reused, so it may come late) and must not call StateThread::Run. An event for a connection that
  // is gone is dropped: the session gets everything again when it resumes.
  virtual void Deliver(const Effect& effect) = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_EFFECT_H_
