// Agents made of nothing but the wire contract.

#ifndef CAUSEWAY_CONTROL_TESTING_TEST_AGENT_H_
#define CAUSEWAY_CONTROL_TESTING_TEST_AGENT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "control/api/v1/handoff.pb.h"
#include "control/process/testing/child_process.h"
#include "mmapcore/unique_fd.h"

namespace causeway::testing {

struct ReceivedEvent {
  v1::HandoffEvent event;
  UniqueFd descriptor;
};

// A session of this process. Waits, for ever, where it receives.
class TestAgent {
 public:
  // Connects and says Hello. The answer, Welcome or Refused, is welcome() or refusal().
  explicit TestAgent(const std::string& directory, const std::string& name = "test");
  // Goes on with the session of an agent that was lost.
  TestAgent(const std::string& directory, const TestAgent& lost);
  // Tries to go on with whatever session these are of.
  TestAgent(const std::string& directory, uint64_t session_id, const std::string& token);

  bool attached() const { return refused_.message().empty(); }
  const v1::Welcome& welcome() const { return welcome_; }
  const v1::Refused& refusal() const { return refused_; }
  uint64_t session_id() const { return welcome_.session_id(); }
  const std::string& token() const { return welcome_.token(); }

  // The next event; an event without anything: the coordinator has closed the connection.
  ReceivedEvent Receive();
  // The next event of that kind, which others may precede.
  ReceivedEvent ReceiveUntil(v1::HandoffEvent::EventCase kind);

  // Sends BringFile and returns the answer.
  v1::FileBrought BringFile(int descriptor, v1::Protection protection, const std::string& label);

  void Disconnect() { connection_.Reset(); }

 private:
  void SayHello(const std::string& directory, const v1::Hello& hello);

  UniqueFd connection_;
  std::string nonce_;  // of the session: the same when it is resumed
  v1::Welcome welcome_;
  v1::Refused refused_;
};

// A session of another process, which only attached and waits to be killed. Calls are made for it,
// with its token.
class ForkedAgent {
 public:
  explicit ForkedAgent(const std::string& directory, const std::string& name = "forked");

  uint64_t session_id() const { return welcome_.session_id(); }
  const std::string& token() const { return welcome_.token(); }
  ChildProcess& process() { return *process_; }

 private:
  std::unique_ptr<ChildProcess> process_;
  v1::Welcome welcome_;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_TESTING_TEST_AGENT_H_
