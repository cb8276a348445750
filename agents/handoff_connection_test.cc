#include "agents/handoff_connection.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <utility>

#include "control/api/seqpacket/seqpacket.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

class HandoffConnectionTest : public testing::Test {
 protected:
  HandoffConnectionTest() : connection_(UniqueFd(), "") {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    connection_ = HandoffConnection(UniqueFd(fds[0]), "/run/cw/handoff.sock");
    coordinator_ = UniqueFd(fds[1]);
  }

  void Say(const v1::HandoffEvent& event, int fd = -1) {
    ASSERT_TRUE(SendDatagram(coordinator_.get(), event.SerializeAsString(), fd).ok());
  }

  static int OpenDescriptors() {
    int count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
      ++count;
    }
    return count;
  }

  HandoffConnection connection_;
  UniqueFd coordinator_;
};

TEST_F(HandoffConnectionTest, NothingYetIsNoError) {
  absl::StatusOr<std::optional<HandoffMessage>> message = connection_.Receive();
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_FALSE(message->has_value());
}

TEST_F(HandoffConnectionTest, AnEventComesWithItsDescriptorCloseOnExec) {
  UniqueFd file(memfd_create("lane", MFD_CLOEXEC));
  v1::HandoffEvent event;
  event.mutable_lane_opened()->set_lane_id(7);
  Say(event, file.get());

  absl::StatusOr<std::optional<HandoffMessage>> message = connection_.Receive();
  ASSERT_TRUE(message.ok() && message->has_value()) << message.status();
  EXPECT_EQ((*message)->event.lane_opened().lane_id(), 7);
  struct stat sent, received;
  ASSERT_EQ(fstat(file.get(), &sent), 0);
  ASSERT_EQ(fstat((*message)->fd.get(), &received), 0);
  EXPECT_EQ(sent.st_ino, received.st_ino);
  EXPECT_TRUE(fcntl((*message)->fd.get(), F_GETFD) & FD_CLOEXEC);
}

TEST_F(HandoffConnectionTest, AMissingDescriptorIsDataLoss) {
  v1::HandoffEvent event;
  event.mutable_reader_joined()->set_lane_id(7);
  Say(event);
  EXPECT_EQ(connection_.Receive().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HandoffConnectionTest, ADescriptorWithoutUseIsRefusedAndClosed) {
  const int before = OpenDescriptors();
  {
    UniqueFd file(memfd_create("stray", MFD_CLOEXEC));
    v1::HandoffEvent event;
    event.mutable_lane_ended()->set_lane_id(7);
    Say(event, file.get());
  }
  EXPECT_EQ(connection_.Receive().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(OpenDescriptors(), before);
}

// A newer coordinator's: nothing that this one could obey.
TEST_F(HandoffConnectionTest, AnUnknownEventIsHandedOnWithoutItsDescriptor) {
  const int before = OpenDescriptors();
  {
    UniqueFd file(memfd_create("new", MFD_CLOEXEC));
    v1::HandoffEvent event;
    event.GetReflection()->MutableUnknownFields(&event)->AddLengthDelimited(1000, "");
    Say(event, file.get());
  }
  const absl::StatusOr<std::optional<HandoffMessage>> message = connection_.Receive();
  ASSERT_TRUE(message.ok() && message->has_value()) << message.status();
  EXPECT_EQ((*message)->event.event_case(), v1::HandoffEvent::EVENT_NOT_SET);
  EXPECT_FALSE((*message)->fd.valid());
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(HandoffConnectionTest, SeveralDescriptorsAreRefusedAndClosed) {
  const int before = OpenDescriptors();
  UniqueFd first(memfd_create("a", MFD_CLOEXEC));
  UniqueFd second(memfd_create("b", MFD_CLOEXEC));
  const int both[2] = {first.get(), second.get()};
  v1::HandoffEvent event;
  event.mutable_lane_opened()->set_lane_id(7);
  std::string bytes = event.SerializeAsString();
  iovec part = {bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(both))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(both));
  memcpy(CMSG_DATA(header), both, sizeof(both));
  ASSERT_GT(sendmsg(coordinator_.get(), &message, 0), 0);

  EXPECT_EQ(connection_.Receive().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(OpenDescriptors(), before + 2);
}

TEST_F(HandoffConnectionTest, BytesThatAreNoMessageAreDataLoss) {
  ASSERT_TRUE(SendDatagram(coordinator_.get(), "\xff\xff\xff\xff").ok());
  EXPECT_EQ(connection_.Receive().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HandoffConnectionTest, AClosedConnectionIsUnavailable) {
  coordinator_.Reset();
  EXPECT_EQ(connection_.Receive().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(connection_.Send(v1::HandoffRequest()).code(), absl::StatusCode::kInvalidArgument);
  v1::HandoffRequest request;
  request.mutable_hello()->set_agent_name("a");
  EXPECT_EQ(connection_.Send(request).code(), absl::StatusCode::kUnavailable);
}

TEST_F(HandoffConnectionTest, EventsThatHadArrivedBeforeTheEndAreRead) {
  v1::HandoffEvent event;
  event.mutable_evicted()->set_reason("quota");
  Say(event);
  coordinator_.Reset();
  absl::StatusOr<std::optional<HandoffMessage>> message = connection_.Receive();
  ASSERT_TRUE(message.ok() && message->has_value()) << message.status();
  EXPECT_EQ((*message)->event.evicted().reason(), "quota");
  EXPECT_EQ(connection_.Receive().status().code(), absl::StatusCode::kUnavailable);
}

TEST(HandoffConnect, NoCoordinatorIsUnavailableAndNamesTheSocket) {
  const absl::Status status = HandoffConnection::Connect("/nonexistent/causeway").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("/nonexistent/causeway/handoff.sock"), std::string::npos);
}

}  // namespace
}  // namespace causeway
