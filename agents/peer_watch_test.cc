#include "agents/peer_watch.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "agents/testing/child_process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Link = PeerWatch::Link;
using Death = PeerWatch::Death;

Link Writer(uint64_t lane_id, uint64_t reader_id) {
  return {PeerWatch::Role::kWriter, lane_id, reader_id};
}
Link Reader(uint64_t lane_id, uint64_t reader_id) {
  return {PeerWatch::Role::kReader, lane_id, reader_id};
}

class PeerWatchTest : public ::testing::Test {
 protected:
  static UniqueFd PidfdOf(const ChildProcess& child) {
    return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child.pid(), 0)));
  }

  // Whether TakeDead() has something to do.
  bool Rings() const {
    pollfd readable = {watch_.fd(), POLLIN, 0};
    return poll(&readable, 1, 0) == 1;
  }
  std::vector<Death> AwaitDead() {
    pollfd readable = {watch_.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&readable, 1, -1), 1);
    return watch_.TakeDead();
  }

  PeerWatch watch_;
  ChildProcess first_{{"/bin/cat"}};
  ChildProcess second_{{"/bin/cat"}};
};

TEST_F(PeerWatchTest, TellsTheLanesOfAProcessThatHasEndedOnce) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Watch(2, PidfdOf(second_));
  watch_.Add(1, Writer(11, 7));
  watch_.Add(1, Writer(11, 8));
  watch_.Add(2, Writer(12, 7));
  EXPECT_FALSE(Rings());
  EXPECT_THAT(watch_.TakeDead(), IsEmpty());
  first_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Death{Writer(11, 7)}, Death{Writer(11, 8)}));
  EXPECT_FALSE(Rings());
  second_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Death{Writer(12, 7)}));
}

TEST_F(PeerWatchTest, KnowsWhatItHasTold) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Add(1, Writer(11, 7));
  watch_.Add(1, Writer(12, 7));
  EXPECT_FALSE(watch_.Forget(Writer(12, 7)));
  first_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Death{Writer(11, 7)}));
  EXPECT_TRUE(watch_.Forget(Writer(11, 7)));
  EXPECT_FALSE(watch_.Forget(Writer(11, 7)));
}

// A coordinator that does not know it yet says it anew.
TEST_F(PeerWatchTest, SaysWhatIsNoNewsAfterARestart) {
  UniqueFd again = PidfdOf(first_);
  watch_.Watch(1, PidfdOf(first_));
  watch_.Add(1, Writer(11, 7));
  first_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Death{Writer(11, 7)}));
  watch_.Restart();
  watch_.Watch(1, std::move(again));
  watch_.Add(1, Writer(11, 7));
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Death{Writer(11, 7), /*is_news=*/false}));
  EXPECT_FALSE(Rings());
  EXPECT_TRUE(watch_.Forget(Writer(11, 7)));
}

// The new coordinator may have given the session's number to another process.
TEST_F(PeerWatchTest, WatchesNobodyAfterARestart) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Add(1, Writer(11, 7));
  watch_.Restart();
  watch_.Watch(1, PidfdOf(second_));
  watch_.Add(1, Writer(11, 7));
  first_.Kill();
  EXPECT_FALSE(Rings());
  second_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Death{Writer(11, 7)}));
}

TEST_F(PeerWatchTest, WatchesAProcessUntilItsLastLaneIsForgotten) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Add(1, Writer(11, 7));
  watch_.Add(1, Writer(12, 7));
  watch_.Add(1, Writer(11, 8));
  watch_.Forget(Writer(11, 7));
  watch_.ForgetReader(8);
  watch_.KeepLanesOf(7, {});
  first_.Kill();
  EXPECT_FALSE(Rings());
  // It is not known any more.
  watch_.Add(1, Writer(11, 7));
  EXPECT_THAT(watch_.TakeDead(), IsEmpty());
}

// A process may write a lane and read the same one.
TEST_F(PeerWatchTest, TellsTheEndsOfALaneApart) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Add(1, Writer(11, 7));
  watch_.Add(1, Reader(11, 7));
  watch_.Add(1, Reader(11, 8));
  watch_.Add(1, Reader(12, 7));
  watch_.ForgetReader(7);  // Ours: it reads what others write.
  watch_.ForgetLane(12);
  first_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Death{Reader(11, 7)}, Death{Reader(11, 8)}));
  watch_.KeepReadersOf(11, {8});
  EXPECT_FALSE(watch_.Forget(Reader(11, 7)));
  EXPECT_TRUE(watch_.Forget(Reader(11, 8)));
}

TEST_F(PeerWatchTest, WatchesTheLatestProcessOfASession) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Add(1, Writer(11, 7));
  watch_.Watch(1, PidfdOf(second_));
  first_.Kill();
  EXPECT_FALSE(Rings());
  second_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Death{Writer(11, 7)}));
}

// Nothing that it is given can be watched, and nothing comes of it.
TEST_F(PeerWatchTest, LeavesWhatCannotBeWatchedToTheCoordinator) {
  watch_.Watch(1, UniqueFd());
  watch_.Add(1, Writer(11, 7));
  EXPECT_THAT(watch_.TakeDead(), IsEmpty());
  EXPECT_FALSE(watch_.Forget(Writer(11, 7)));
}

}  // namespace
}  // namespace causeway
