#include "control/testing/test_agent.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "control/api/seqpacket/seqpacket.h"
#include "control/process/testing/unix_connection.h"

namespace causeway::testing {
namespace {

std::string Nonce() {
  std::string nonce(16, '\0');
  if (getrandom(nonce.data(), nonce.size(), 0) != 16) abort();
  return nonce;
}

v1::Hello NewHello(const std::string& name) {
  v1::Hello hello;
  hello.set_protocol_version(1);
  hello.set_agent_name(name);
  hello.set_nonce(Nonce());
  hello.set_hears_of_peers(true);
  return hello;
}

std::string Serialized(const v1::Hello& hello) {
  v1::HandoffRequest request;
  *request.mutable_hello() = hello;
  return request.SerializeAsString();
}

}  // namespace

TestAgent::TestAgent(const std::string& directory, const std::string& name) {
  SayHello(directory, NewHello(name));
}

TestAgent::TestAgent(const std::string& directory, const TestAgent& lost) {
  v1::Hello hello = NewHello("test");
  hello.set_nonce(lost.nonce_);
  hello.set_session_id(lost.session_id());
  hello.set_token(lost.token());
  SayHello(directory, hello);
}

TestAgent::TestAgent(const std::string& directory, uint64_t session_id, const std::string& token) {
  v1::Hello hello = NewHello("test");
  hello.set_session_id(session_id);
  hello.set_token(token);
  SayHello(directory, hello);
}

void TestAgent::SayHello(const std::string& directory, const v1::Hello& hello) {
  nonce_ = hello.nonce();
  connection_ = ConnectSeqpacket((directory + "/handoff.sock").c_str());
  if (!SendDatagram(connection_.get(), Serialized(hello)).ok()) {
    refused_.set_message("no connection");
    return;
  }
  const ReceivedEvent answer = Receive();
  welcome_ = answer.event.welcome();
  refused_ = answer.event.refused();
}

ReceivedEvent TestAgent::Receive() {
  ReceivedEvent received;
  absl::StatusOr<Datagram> datagram = ReceiveDatagram(connection_.get());
  if (!datagram.ok() || datagram->end()) return received;
  if (!received.event.ParseFromString(datagram->bytes)) abort();
  received.descriptor = std::move(datagram->descriptor);
  return received;
}

ReceivedEvent TestAgent::ReceiveUntil(v1::HandoffEvent::EventCase kind) {
  while (true) {
    ReceivedEvent received = Receive();
    const v1::HandoffEvent::EventCase seen = received.event.event_case();
    if (seen == kind || seen == v1::HandoffEvent::EVENT_NOT_SET) return received;
  }
}

v1::FileBrought TestAgent::BringFile(int descriptor, v1::Protection protection,
                                     const std::string& label) {
  v1::HandoffRequest request;
  request.mutable_bring_file()->set_request_id(1);
  request.mutable_bring_file()->set_label(label);
  request.mutable_bring_file()->set_protection(protection);
  if (!SendDatagram(connection_.get(), request.SerializeAsString(), descriptor).ok()) abort();
  return ReceiveUntil(v1::HandoffEvent::kFileBrought).event.file_brought();
}

ForkedAgent::ForkedAgent(const std::string& directory, const std::string& name) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) abort();
  // Prepared before the fork: the child keeps to system calls.
  const std::string hello = Serialized(NewHello(name));
  const std::string path = directory + "/handoff.sock";
  process_ = std::make_unique<ChildProcess>([&] {
    // Nothing of the parent's is kept open by its children.
    if (dup2(ends[1], STDOUT_FILENO) < 0 || close_range(3, ~0u, 0) != 0) _exit(1);
    static UniqueFd connection = ConnectSeqpacket(path.c_str());
    static char welcome[1024];
    if (!SendDatagram(connection.get(), hello).ok()) _exit(1);
    const ssize_t size = read(connection.get(), welcome, sizeof(welcome));
    if (size <= 0 || write(STDOUT_FILENO, welcome, static_cast<size_t>(size)) != size) _exit(1);
  });
  UniqueFd ours(ends[0]);
  close(ends[1]);
  char welcome[1024];
  const ssize_t size = read(ours.get(), welcome, sizeof(welcome));
  v1::HandoffEvent event;
  if (size <= 0 || !event.ParseFromArray(welcome, static_cast<int>(size))) {
    fprintf(stderr, "a forked agent could not attach\n");
    abort();
  }
  welcome_ = event.welcome();
}

}  // namespace causeway::testing
