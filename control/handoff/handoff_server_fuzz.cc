// Whatever a hostile agent sends over handoff.sock: the coordinator reports what the contract
// allows, tells why it refuses the rest, closes that connection, and serves the next one.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "control/api/seqpacket/seqpacket.h"
#include "control/api/v1/handoff.pb.h"
#include "control/handoff/event_loop.h"
#include "control/handoff/handoff_server.h"
#include "control/log/log.h"
#include "control/process/testing/unix_connection.h"
#include "mmapcore/unique_fd.h"
#include "tools/fuzz/fuzz_input.h"

namespace causeway {
namespace {

constexpr int kMaxDatagrams = 20;

[[noreturn]] void Fail(const std::string& what) {
  std::cerr << what << "\n";
  std::abort();
}

// Answers as the coordinator might: a Welcome, and each file with a number.
class Receiver : public HandoffReceiver {
 public:
  HandoffServer* server = nullptr;

  void OnHello(ConnectionId connection, PeerProcess peer, const v1::Hello& hello) override {
    if (!peer.identity.has_value() || peer.identity->pid != getpid()) {
      Fail("another process than the kernel says");
    }
    v1::HandoffEvent event;
    event.mutable_welcome()->set_session_id(hello.session_id());
    server->Send(connection, event, UniqueFd()).IgnoreError();
  }
  void OnBringFile(ConnectionId connection, const v1::BringFile& request,
                   UniqueFd descriptor) override {
    if (fcntl(descriptor.get(), F_GETFD) < 0) Fail("BringFile without a descriptor");
    v1::HandoffEvent event;
    event.mutable_file_brought()->set_request_id(request.request_id());
    server->Send(connection, event, UniqueFd()).IgnoreError();
  }
  void OnClosed(ConnectionId, const std::string&) override {}
};

// One for all inputs, as a coordinator serves all agents.
class Coordinator {
 public:
  Coordinator() : loop_(*EventLoop::Start()), server_(*HandoffServer::Create(loop_.get(), {})) {
    // The logger is there before this is: it goes away after the thread that logs.
    LogToStandardError(LogLevel::kError);
    receiver_.server = server_.get();
    if (!server_->Serve(listener_.TakeListening(), &receiver_).ok()) Fail("Serve");
  }
  ~Coordinator() { loop_.reset(); }  // Before the server that it calls.
  UniqueFd Connect() { return listener_.Connect(); }

 private:
  testing::UnixListener listener_;
  Receiver receiver_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<HandoffServer> server_;
};

std::string TakeRequest(FuzzInput& input) {
  v1::HandoffRequest request;
  switch (input.Below<uint8_t>(4)) {
    case 0:
      return input.TakeBytes();
    case 1:
      request.mutable_hello()->set_protocol_version(1);
      request.mutable_hello()->set_agent_name("a");
      request.mutable_hello()->set_nonce(std::string(16, 'n'));
      break;
    case 2:
      request.mutable_bring_file()->set_request_id(input.Take<uint64_t>());
      request.mutable_bring_file()->set_protection(v1::PROTECTION_READ);
      break;
    default:
      request.mutable_hello()->set_session_id(input.Take<uint64_t>());
      request.mutable_hello()->set_token(input.TakeBytes(64));
  }
  // Fields that come later win.
  return request.SerializeAsString() + input.TakeBytes(256);
}

// Raw, so that it may be empty, too long, or carry too many descriptors.
void SendAnything(int socket, const std::string& bytes, int descriptors) {
  iovec part = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptors > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(static_cast<size_t>(descriptors) * sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(static_cast<size_t>(descriptors) * sizeof(int));
    for (int i = 0; i < descriptors; ++i) {
      std::memcpy(CMSG_DATA(header) + static_cast<size_t>(i) * sizeof(int), &socket, sizeof(int));
    }
  }
  // Once it is cut off, nothing is sent any more: that is one of the answers.
  static_cast<void>(sendmsg(socket, &message, MSG_NOSIGNAL));
}

void TryOne(FuzzInput& input) {
  static Coordinator coordinator;
  const UniqueFd connection = coordinator.Connect();
  if (!connection.valid()) Fail("cannot connect");
  for (int i = 0; i < kMaxDatagrams && !input.empty(); ++i) {
    const std::string bytes = TakeRequest(input);
    SendAnything(connection.get(), bytes, input.Below<uint8_t>(5));
  }
  shutdown(connection.get(), SHUT_WR);
  // Every answer is an event, up to the end that the coordinator makes.
  while (true) {
    const absl::StatusOr<Datagram> datagram = ReceiveDatagram(connection.get());
    if (!datagram.ok() || datagram->end()) return;
    v1::HandoffEvent event;
    if (!event.ParseFromString(datagram->bytes)) Fail("an answer that is no event");
    if (event.has_refused() && event.refused().message().empty()) Fail("refused without a reason");
  }
}

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::FuzzInput input(data, size);
  causeway::TryOne(input);
  return 0;
}
