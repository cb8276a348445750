#include "control/api/seqpacket/seqpacket.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

// The lowest number that the kernel would hand out: grows by one for each descriptor that leaked.
int LowestFreeDescriptor() { return UniqueFd(open("/dev/null", O_RDONLY)).get(); }

class SeqpacketTest : public ::testing::Test {
 protected:
  SeqpacketTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    ours_.Reset(ends[0]);
    theirs_.Reset(ends[1]);
  }

  // Sends what SendDatagram() would never send.
  void SendRaw(const std::string& bytes, const std::vector<int>& descriptors) {
    iovec part = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
    ASSERT_EQ(sendmsg(theirs_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  UniqueFd ours_;
  UniqueFd theirs_;
};

TEST_F(SeqpacketTest, KeepsTheBoundsOfMessages) {
  ASSERT_TRUE(SendDatagram(theirs_.get(), "one").ok());
  ASSERT_TRUE(SendDatagram(theirs_.get(), std::string("t\0wo", 4)).ok());
  EXPECT_EQ(ReceiveDatagram(ours_.get())->bytes, "one");
  EXPECT_EQ(ReceiveDatagram(ours_.get())->bytes, std::string("t\0wo", 4));
}

TEST_F(SeqpacketTest, CarriesADescriptorThatIsCloseOnExec) {
  const UniqueFd sent(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(SendDatagram(theirs_.get(), "take", sent.get()).ok());

  absl::StatusOr<Datagram> datagram = ReceiveDatagram(ours_.get());

  ASSERT_TRUE(datagram.ok()) << datagram.status();
  ASSERT_TRUE(datagram->descriptor.valid());
  EXPECT_NE(datagram->descriptor.get(), sent.get());
  EXPECT_EQ(fcntl(datagram->descriptor.get(), F_GETFD), FD_CLOEXEC);
  struct stat a, b;
  ASSERT_EQ(fstat(sent.get(), &a), 0);
  ASSERT_EQ(fstat(datagram->descriptor.get(), &b), 0);
  EXPECT_EQ(a.st_rdev, b.st_rdev);
}

TEST_F(SeqpacketTest, SaysSoWhenNothingIsThere) {
  EXPECT_EQ(ReceiveDatagram(ours_.get()).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SeqpacketTest, SaysSoWhenTheOtherEndHasClosed) {
  theirs_.Reset();
  EXPECT_TRUE(ReceiveDatagram(ours_.get())->end());
  EXPECT_EQ(SendDatagram(ours_.get(), "anyone?").code(), absl::StatusCode::kAborted);
}

TEST_F(SeqpacketTest, DeliversWhatWasSentBeforeTheClose) {
  ASSERT_TRUE(SendDatagram(theirs_.get(), "last words").ok());
  theirs_.Reset();
  EXPECT_EQ(ReceiveDatagram(ours_.get())->bytes, "last words");
  EXPECT_TRUE(ReceiveDatagram(ours_.get())->end());
}

TEST_F(SeqpacketTest, TakesTheLongestMessageAndRefusesALongerOne) {
  ASSERT_TRUE(SendDatagram(theirs_.get(), std::string(kMaxDatagramBytes, 'x')).ok());
  EXPECT_EQ(ReceiveDatagram(ours_.get())->bytes.size(), kMaxDatagramBytes);

  EXPECT_EQ(SendDatagram(theirs_.get(), std::string(kMaxDatagramBytes + 1, 'x')).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SendDatagram(theirs_.get(), "").code(), absl::StatusCode::kInvalidArgument);

  SendRaw(std::string(kMaxDatagramBytes + 1, 'x'), {STDERR_FILENO});
  SendRaw(std::string(2 * kMaxDatagramBytes, 'x'), {STDERR_FILENO});
  const int before = LowestFreeDescriptor();
  EXPECT_EQ(ReceiveDatagram(ours_.get()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReceiveDatagram(ours_.get()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(LowestFreeDescriptor(), before);
}

TEST_F(SeqpacketTest, ClosesSurplusDescriptors) {
  const int before = LowestFreeDescriptor();
  for (size_t count : {2u, 3u, 4u, 100u, 253u}) {
    SendRaw("too many", std::vector<int>(count, STDERR_FILENO));
    EXPECT_EQ(ReceiveDatagram(ours_.get()).status().code(), absl::StatusCode::kInvalidArgument)
        << count;
    EXPECT_EQ(LowestFreeDescriptor(), before) << count;
  }
}

TEST_F(SeqpacketTest, SaysSoWhenThisProcessHasNoRoomForTheDescriptor) {
  ASSERT_TRUE(SendDatagram(theirs_.get(), "take", STDERR_FILENO).ok());
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit full = {.rlim_cur = static_cast<rlim_t>(LowestFreeDescriptor()),
                       .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
  EXPECT_EQ(ReceiveDatagram(ours_.get()).status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST_F(SeqpacketTest, SaysSoWhenThereIsNoRoomAndGoesOnWhenThereIs) {
  const std::string bytes(4096, 'x');
  int sent = 0;
  absl::Status status;
  while ((status = SendDatagram(theirs_.get(), bytes, STDERR_FILENO)).ok()) ++sent;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_GT(sent, 0);
  for (int i = 0; i < sent; ++i) EXPECT_TRUE(ReceiveDatagram(ours_.get()).ok());
  EXPECT_TRUE(SendDatagram(theirs_.get(), bytes).ok());
}

}  // namespace
}  // namespace causeway
