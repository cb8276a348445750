#include "control/directory/directory_lock.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "control/process/testing/child_process.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using testing::ChildProcess;
using testing::IsOk;
using testing::ScratchDirectory;
using testing::StatusIs;

TEST(DirectoryLock, NamesItsHolderToTheSecond) {
  ScratchDirectory scratch;
  absl::StatusOr<DirectoryLock> first = DirectoryLock::Take(scratch.File("lock"));
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(DirectoryLock::Take(scratch.File("lock")),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       ::testing::HasSubstr(absl::StrCat("pid ", getpid()))));
}

TEST(DirectoryLock, LeavesNoFileBehind) {
  ScratchDirectory scratch;
  {
    ASSERT_THAT(DirectoryLock::Take(scratch.File("lock")), IsOk());
  }
  EXPECT_NE(access(scratch.File("lock").c_str(), F_OK), 0);
  EXPECT_THAT(DirectoryLock::Take(scratch.File("lock")), IsOk());
}

TEST(DirectoryLock, OfAKilledHolderIsFree) {
  ScratchDirectory scratch;
  const std::string path = scratch.File("lock");
  int locked[2];
  ASSERT_EQ(pipe(locked), 0);
  ChildProcess child([&] {
    static std::optional<absl::StatusOr<DirectoryLock>> lock(DirectoryLock::Take(path));
    const char done = lock->ok() ? 'y' : 'n';
    if (write(locked[1], &done, 1) != 1) _exit(1);
  });
  char done;
  ASSERT_EQ(read(locked[0], &done, 1), 1);
  ASSERT_EQ(done, 'y');
  EXPECT_THAT(DirectoryLock::Take(path),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       ::testing::HasSubstr(absl::StrCat("pid ", child.pid()))));
  child.KillAndReap();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);  // It could not tidy up.
  EXPECT_THAT(DirectoryLock::Take(path), IsOk());
  close(locked[0]);
  close(locked[1]);
}

TEST(DirectoryLock, SaysSoWhateverTheFileHolds) {
  ScratchDirectory scratch;
  absl::StatusOr<DirectoryLock> first = DirectoryLock::Take(scratch.File("lock"));
  std::ofstream(scratch.File("lock"), std::ios::trunc) << "no number";
  EXPECT_THAT(DirectoryLock::Take(scratch.File("lock")),
              StatusIs(absl::StatusCode::kAlreadyExists, ::testing::HasSubstr("another process")));
}

TEST(DirectoryLock, DoesNotFollowALink) {
  ScratchDirectory scratch;
  ASSERT_EQ(symlink("elsewhere", scratch.File("lock").c_str()), 0);
  EXPECT_FALSE(DirectoryLock::Take(scratch.File("lock")).ok());
  EXPECT_NE(access(scratch.File("elsewhere").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace causeway
