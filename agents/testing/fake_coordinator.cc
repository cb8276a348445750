#include "agents/testing/fake_coordinator.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "control/api/seqpacket/seqpacket.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

sockaddr_un AddressIn(const std::string& dir) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = dir + "/handoff.sock";
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace

FakeCoordinator::FakeCoordinator() {
  char pattern[] = "/tmp/causeway-fake-XXXXXX";
  dir_ = mkdtemp(pattern);
  Listen();
}

FakeCoordinator::~FakeCoordinator() {
  StopListening(true);
  rmdir(dir_.c_str());
}

void FakeCoordinator::Listen() {
  listener_.Reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressIn(dir_);
  unlink(address.sun_path);
  ASSERT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener_.get(), 8), 0);
}

void FakeCoordinator::StopListening(bool unlink) {
  listener_.Reset();
  if (unlink) ::unlink(AddressIn(dir_).sun_path);
}

v1::Hello FakeCoordinator::AcceptHello() {
  connection_.Reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(connection_.valid());
  const v1::HandoffRequest request = Hear();
  EXPECT_TRUE(request.has_hello());
  return request.hello();
}

void FakeCoordinator::Say(const v1::HandoffEvent& event, int fd) {
  const absl::Status status = SendDatagram(connection_.get(), event.SerializeAsString(), fd);
  EXPECT_TRUE(status.ok()) << status;
}

void FakeCoordinator::Welcome(uint64_t session_id, bool resumed) {
  v1::HandoffEvent event;
  event.mutable_welcome()->set_session_id(session_id);
  event.mutable_welcome()->set_token(std::string(32, 't'));
  event.mutable_welcome()->set_coordinator_epoch(1);
  event.mutable_welcome()->set_resumed(resumed);
  Say(event);
}

v1::HandoffRequest FakeCoordinator::Hear(UniqueFd* fd) {
  v1::HandoffRequest request;
  absl::StatusOr<Datagram> datagram = ReceiveDatagram(connection_.get());
  EXPECT_TRUE(datagram.ok()) << datagram.status();
  if (!datagram.ok()) return request;
  EXPECT_TRUE(request.ParseFromString(datagram->bytes));
  if (fd != nullptr) *fd = std::move(datagram->descriptor);
  return request;
}

bool FakeCoordinator::AwaitHangUp() {
  const absl::StatusOr<Datagram> datagram = ReceiveDatagram(connection_.get());
  return !datagram.ok() || datagram->end();
}

}  // namespace causeway
