// The coordinator's end of handoff.sock, said line by line by a test.

#ifndef CAUSEWAY_AGENTS_TESTING_FAKE_COORDINATOR_H_
#define CAUSEWAY_AGENTS_TESTING_FAKE_COORDINATOR_H_

#include <cstdint>
#include <string>

#include "control/api/v1/handoff.pb.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Listens in a directory of its own. Every function waits as long as it takes (the test's own time
// limit ends it) and fails the test if something else comes.
class FakeCoordinator {
 public:
  FakeCoordinator();
  ~FakeCoordinator();

  const std::string& dir() const { return dir_; }

  // Stops listening, and removes the socket's file if `unlink`; Listen() begins anew.
  void StopListening(bool unlink);
  void Listen();

  // Accepts a connection, and returns what it says first.
  v1::Hello AcceptHello();
  // Says something on the connection that was accepted last.
  void Say(const v1::HandoffEvent& event, int fd = -1);
  void Welcome(uint64_t session_id, bool resumed);
  // What the agent says next.
  v1::HandoffRequest Hear(UniqueFd* fd = nullptr);
  // Closes the connection.
  void HangUp() { connection_.Reset(); }
  // True once the agent has closed it.
  bool AwaitHangUp();

 private:
  std::string dir_;
  UniqueFd listener_;
  UniqueFd connection_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_TESTING_FAKE_COORDINATOR_H_
