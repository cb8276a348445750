#include "agents/writer_watch.h"

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

using Lane = WriterWatch::FollowedLane;

class WriterWatchTest : public ::testing::Test {
 protected:
  static UniqueFd PidfdOf(const ChildProcess& child) {
    return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child.pid(), 0)));
  }

  // Whether TakeDead() has something to do.
  bool Rings() const {
    pollfd readable = {watch_.fd(), POLLIN, 0};
    return poll(&readable, 1, 0) == 1;
  }
  std::vector<Lane> AwaitDead() {
    pollfd readable = {watch_.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&readable, 1, -1), 1);
    return watch_.TakeDead();
  }

  WriterWatch watch_;
  ChildProcess first_{{"/bin/cat"}};
  ChildProcess second_{{"/bin/cat"}};
};

TEST_F(WriterWatchTest, TellsTheLanesOfAProcessThatHasEndedOnce) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Watch(2, PidfdOf(second_));
  watch_.Follow(1, {7, 11});
  watch_.Follow(1, {8, 11});
  watch_.Follow(2, {7, 12});
  EXPECT_FALSE(Rings());
  EXPECT_THAT(watch_.TakeDead(), IsEmpty());
  first_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Lane{7, 11}, Lane{8, 11}));
  EXPECT_FALSE(Rings());
  second_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Lane{7, 12}));
}

TEST_F(WriterWatchTest, KnowsWhatItHasTold) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Follow(1, {7, 11});
  watch_.Follow(1, {7, 12});
  EXPECT_FALSE(watch_.Forget({7, 12}));
  first_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Lane{7, 11}));
  EXPECT_TRUE(watch_.Forget({7, 11}));
  EXPECT_FALSE(watch_.Forget({7, 11}));
}

// A coordinator that does not know it yet says it anew.
TEST_F(WriterWatchTest, TellsNothingTwiceAfterARestart) {
  UniqueFd again = PidfdOf(first_);
  watch_.Watch(1, PidfdOf(first_));
  watch_.Follow(1, {7, 11});
  first_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Lane{7, 11}));
  watch_.Restart();
  watch_.Watch(1, std::move(again));
  watch_.Follow(1, {7, 11});
  EXPECT_THAT(AwaitDead(), IsEmpty());
  EXPECT_FALSE(Rings());
  EXPECT_TRUE(watch_.Forget({7, 11}));
}

// The new coordinator may have given the session's number to another process.
TEST_F(WriterWatchTest, WatchesNobodyAfterARestart) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Follow(1, {7, 11});
  watch_.Restart();
  watch_.Watch(1, PidfdOf(second_));
  watch_.Follow(1, {7, 11});
  first_.Kill();
  EXPECT_FALSE(Rings());
  second_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Lane{7, 11}));
}

TEST_F(WriterWatchTest, WatchesAProcessUntilItsLastLaneIsForgotten) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Follow(1, {7, 11});
  watch_.Follow(1, {7, 12});
  watch_.Follow(1, {8, 11});
  watch_.Forget({7, 11});
  watch_.ForgetReader(8);
  watch_.KeepOnly(7, {});
  first_.Kill();
  EXPECT_FALSE(Rings());
  // It is not known any more.
  watch_.Follow(1, {7, 11});
  EXPECT_THAT(watch_.TakeDead(), IsEmpty());
}

TEST_F(WriterWatchTest, WatchesTheLatestProcessOfASession) {
  watch_.Watch(1, PidfdOf(first_));
  watch_.Follow(1, {7, 11});
  watch_.Watch(1, PidfdOf(second_));
  first_.Kill();
  EXPECT_FALSE(Rings());
  second_.Kill();
  EXPECT_THAT(AwaitDead(), UnorderedElementsAre(Lane{7, 11}));
}

// Nothing that it is given can be watched, and nothing comes of it.
TEST_F(WriterWatchTest, LeavesWhatCannotBeWatchedToTheCoordinator) {
  watch_.Watch(1, UniqueFd());
  watch_.Follow(1, {7, 11});
  EXPECT_THAT(watch_.TakeDead(), IsEmpty());
  EXPECT_FALSE(watch_.Forget({7, 11}));
}

}  // namespace
}  // namespace causeway
