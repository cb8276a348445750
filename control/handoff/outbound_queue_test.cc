#include "control/handoff/outbound_queue.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "control/api/seqpacket/seqpacket.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

class OutboundQueueTest : public ::testing::Test {
 protected:
  OutboundQueueTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    ours_.Reset(ends[0]);
    theirs_.Reset(ends[1]);
  }

  UniqueFd ours_;
  UniqueFd theirs_;
};

TEST_F(OutboundQueueTest, KeepsOrderAcrossASocketWithoutRoom) {
  OutboundQueue queue({.max_datagrams = 10'000, .max_bytes = 100'000'000});
  const std::string padding(1000, 'x');
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(queue.Push(absl::StrCat(i, " ", padding), UniqueFd()).ok());
  }
  int next = 0;
  while (next < 2000) {
    ASSERT_TRUE(queue.Flush(ours_.get()).ok());
    absl::StatusOr<Datagram> datagram = ReceiveDatagram(theirs_.get());
    ASSERT_TRUE(datagram.ok()) << datagram.status();
    EXPECT_EQ(datagram->bytes, absl::StrCat(next++, " ", padding));
  }
  EXPECT_TRUE(queue.empty());
}

TEST_F(OutboundQueueTest, SendsEachDescriptorWithItsDatagramAndThenClosesItsOwn) {
  OutboundQueue queue({});
  UniqueFd descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = descriptor.get();
  ASSERT_TRUE(queue.Push("without", UniqueFd()).ok());
  ASSERT_TRUE(queue.Push("with", std::move(descriptor)).ok());
  EXPECT_EQ(fcntl(number, F_GETFD), FD_CLOEXEC);
  ASSERT_TRUE(queue.Flush(ours_.get()).ok());
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
  EXPECT_FALSE(ReceiveDatagram(theirs_.get())->descriptor.valid());
  EXPECT_TRUE(ReceiveDatagram(theirs_.get())->descriptor.valid());
}

TEST_F(OutboundQueueTest, NamesTheBoundThatIsMet) {
  OutboundQueue few({.max_datagrams = 2, .max_bytes = 100});
  ASSERT_TRUE(few.Push("a", UniqueFd()).ok());
  ASSERT_TRUE(few.Push("b", UniqueFd()).ok());
  const absl::Status third = few.Push("c", UniqueFd());
  EXPECT_EQ(third.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(third.message().find("2 events"), std::string::npos) << third;

  OutboundQueue small({.max_datagrams = 100, .max_bytes = 10});
  ASSERT_TRUE(small.Push("0123456789", UniqueFd()).ok());
  const absl::Status more = small.Push("x", UniqueFd());
  EXPECT_EQ(more.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(more.message().find("11 bytes"), std::string::npos) << more;
  ASSERT_TRUE(small.Flush(ours_.get()).ok());
  EXPECT_TRUE(small.Push("x", UniqueFd()).ok());
}

TEST_F(OutboundQueueTest, SaysSoWhenTheOtherEndIsGone) {
  OutboundQueue queue({});
  theirs_.Reset();
  ASSERT_TRUE(queue.Push("a", UniqueFd()).ok());
  EXPECT_EQ(queue.Flush(ours_.get()).code(), absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace causeway
