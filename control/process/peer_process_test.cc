#include "control/process/peer_process.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "control/process/incarnation.h"
#include "control/process/testing/child_process.h"
#include "control/process/testing/unix_connection.h"
#include "gtest/gtest.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using testing::ChildProcess;
using testing::UnixListener;

class PeerProcessTest : public ::testing::TestWithParam<PidfdSource> {};

TEST_P(PeerProcessTest, IsTheProcessThatConnected) {
  UnixListener listener;
  ChildProcess child([&] { static UniqueFd connection = listener.Connect(); });
  UniqueFd accepted = listener.Accept();

  absl::StatusOr<PeerProcess> peer = IdentifyPeer(accepted.get(), GetParam());

  ASSERT_TRUE(peer.ok()) << peer.status();
  ASSERT_TRUE(peer->identity.has_value());
  EXPECT_EQ(*peer->identity, *IdentifyProcess(child.pid()));
  EXPECT_EQ(peer->uid, getuid());
  EXPECT_EQ(peer->gid, getgid());
  EXPECT_FALSE(HasExited(peer->pidfd.get()));
}

TEST_P(PeerProcessTest, PidfdBecomesReadableWhenThePeerIsKilledThoughNobodyReapedIt) {
  UnixListener listener;
  ChildProcess child([&] { static UniqueFd connection = listener.Connect(); });
  UniqueFd accepted = listener.Accept();
  absl::StatusOr<PeerProcess> peer = IdentifyPeer(accepted.get(), GetParam());
  ASSERT_TRUE(peer.ok()) << peer.status();

  child.Kill();

  pollfd wanted = {.fd = peer->pidfd.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&wanted, 1, 10'000), 1);
  EXPECT_TRUE(HasExited(peer->pidfd.get()));
}

TEST_P(PeerProcessTest, ThatEndedBeforeItWasAskedForIsRefused) {
  UnixListener listener;
  ChildProcess child([&] { static UniqueFd connection = listener.Connect(); });
  UniqueFd accepted = listener.Accept();
  child.KillAndReap();

  EXPECT_EQ(IdentifyPeer(accepted.get(), GetParam()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_P(PeerProcessTest, OfSomethingElseThanAUnixSocketIsRefused) {
  EXPECT_EQ(IdentifyPeer(STDIN_FILENO, GetParam()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(IdentifyPeer(-1, GetParam()).status().code(), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(EverySource, PeerProcessTest,
                         ::testing::Values(PidfdSource::kSocket, PidfdSource::kPidRecheck));

}  // namespace
}  // namespace causeway
