#include "mmapcore/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

namespace causeway {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

int OpenNull() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, ClosesAtItsEnd) {
  int number = -1;
  {
    UniqueFd fd(OpenNull());
    number = fd.get();
    EXPECT_TRUE(fd.valid());
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFd, OwnsNothingAfterAFailedOpen) {
  UniqueFd fd(-17);
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFd, HasOneOwnerThroughMoves) {
  UniqueFd first(OpenNull());
  const int number = first.get();
  UniqueFd second(std::move(first));
  EXPECT_FALSE(first.valid());
  UniqueFd third;
  third = std::move(second);
  EXPECT_FALSE(second.valid());
  EXPECT_EQ(third.get(), number);
  UniqueFd& same = third;
  third = std::move(same);
  EXPECT_TRUE(IsOpen(number));
}

TEST(UniqueFd, ClosesWhatAnAssignmentReplaces) {
  UniqueFd fd(OpenNull());
  const int replaced = fd.get();
  fd = UniqueFd(OpenNull());
  EXPECT_NE(fd.get(), replaced);
  EXPECT_FALSE(IsOpen(replaced));
}

TEST(UniqueFd, GivesUpWhatItReleases) {
  UniqueFd fd(OpenNull());
  const int number = fd.Release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(IsOpen(number));
  close(number);
}

TEST(UniqueFd, LeavesErrnoAloneWhenClosing) {
  UniqueFd fd(OpenNull());
  close(fd.get());  // So that the second close fails.
  errno = ENOSPC;
  fd.Reset();
  EXPECT_EQ(errno, ENOSPC);
}

}  // namespace
}  // namespace causeway
