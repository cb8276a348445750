#include "control/directory/coordinator_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "control/directory/unix_socket.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::ScratchDirectory;
using testing::StatusIs;

class CoordinatorDirectoryTest : public ::testing::Test {
 protected:
  absl::StatusOr<CoordinatorDirectory> Open(const std::string& name = "cw") {
    return CoordinatorDirectory::Open(
        {.path = scratch_.File(name), .volatile_path = scratch_.File("volatile")});
  }

  bool Exists(const std::string& name) const {
    struct stat attributes;
    return lstat(scratch_.File(name).c_str(), &attributes) == 0;
  }

  mode_t ModeOf(const std::string& name) const {
    struct stat attributes = {};
    stat(scratch_.File(name).c_str(), &attributes);
    return attributes.st_mode & 07777;
  }

  ScratchDirectory scratch_;
};

TEST_F(CoordinatorDirectoryTest, IsMadeForItsUserAlone) {
  const absl::StatusOr<CoordinatorDirectory> directory = Open();
  ASSERT_THAT(directory, IsOk());
  for (const char* name : {"cw", "cw/files", "volatile", "volatile/files"}) {
    EXPECT_EQ(ModeOf(name), 0700u) << name;
  }
  EXPECT_EQ(directory->path(), scratch_.File("cw"));
}

TEST_F(CoordinatorDirectoryTest, ServesOneCoordinatorAtATime) {
  const absl::StatusOr<CoordinatorDirectory> first = Open();
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kAlreadyExists,
                               HasSubstr(absl::StrCat("pid ", getpid()))));
}

TEST_F(CoordinatorDirectoryTest, KeepsTwoCoordinatorsOutOfOneVolatileDirectory) {
  const absl::StatusOr<CoordinatorDirectory> first = Open("a");
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Open("b"), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("volatile/lock")));
}

TEST_F(CoordinatorDirectoryTest, NeedsAParent) {
  EXPECT_THAT(Open("missing/cw"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("parent")));
  EXPECT_THAT(CoordinatorDirectory::Open({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CoordinatorDirectoryTest, RefusesWhatIsNotADirectory) {
  std::ofstream(scratch_.File("cw")) << "a file";
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a directory")));
  EXPECT_THAT(Open("cw/deeper"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a directory")));
}

TEST_F(CoordinatorDirectoryTest, RefusesADirectoryOfAnotherUser) {
  ASSERT_EQ(mkdir(scratch_.File("cw").c_str(), 0777), 0);
  if (chown(scratch_.File("cw").c_str(), 12345, 12345) != 0) {
    GTEST_SKIP() << "needs root, outside of a user namespace";
  }
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("uid 12345")));
}

TEST_F(CoordinatorDirectoryTest, ReplacesStaleSocketsAndNothingElse) {
  ASSERT_EQ(mkdir(scratch_.File("cw").c_str(), 0700), 0);
  {
    const absl::StatusOr<CoordinatorDirectory> dead = Open();
    ASSERT_THAT(ListenSeqpacket(dead->handoff_socket()), IsOk());
  }
  ASSERT_TRUE(Exists("cw/handoff.sock"));
  {
    const absl::StatusOr<CoordinatorDirectory> next = Open();
    ASSERT_THAT(next, IsOk());
    EXPECT_FALSE(Exists("cw/handoff.sock"));
  }
  std::ofstream(scratch_.File("cw/control.sock")) << "precious";
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("control.sock")));
  EXPECT_TRUE(Exists("cw/control.sock"));
}

TEST_F(CoordinatorDirectoryTest, WithSessionsLeftLosesItsSocketsOnly) {
  {
    absl::StatusOr<CoordinatorDirectory> directory = Open();
    ASSERT_THAT(ListenSeqpacket(directory->handoff_socket()), IsOk());
    directory->Leave(CoordinatorDirectory::Remove::kSockets);
  }
  EXPECT_FALSE(Exists("cw/handoff.sock"));
  EXPECT_FALSE(Exists("cw/lock"));
  EXPECT_TRUE(Exists("cw/files"));
  EXPECT_TRUE(Exists("volatile/files"));
}

TEST_F(CoordinatorDirectoryTest, WithoutSessionsLosesItsVolatileDirectoryToo) {
  {
    absl::StatusOr<CoordinatorDirectory> directory = Open();
    std::ofstream(directory->state_path()) << "state";
    directory->Leave(CoordinatorDirectory::Remove::kVolatileDirectoryToo);
  }
  EXPECT_FALSE(Exists("volatile"));
  EXPECT_TRUE(Exists("cw/state.db"));
}

TEST_F(CoordinatorDirectoryTest, DisappearsWhenAsked) {
  {
    absl::StatusOr<CoordinatorDirectory> directory = Open();
    std::ofstream(directory->state_path()) << "state";
    std::ofstream(directory->state_path() + "-wal") << "log";
    directory->Leave(CoordinatorDirectory::Remove::kStateAndDirectoryToo);
  }
  EXPECT_FALSE(Exists("cw"));
  EXPECT_FALSE(Exists("volatile"));
}

TEST_F(CoordinatorDirectoryTest, NeverRemovesWhatIsNotItsOwn) {
  {
    absl::StatusOr<CoordinatorDirectory> directory = Open();
    std::ofstream(scratch_.File("cw/notes.txt")) << "precious";
    std::ofstream(scratch_.File("volatile/files/photo")) << "precious";
    directory->Leave(CoordinatorDirectory::Remove::kStateAndDirectoryToo);
  }
  EXPECT_TRUE(Exists("cw/notes.txt"));
  EXPECT_TRUE(Exists("volatile/files/photo"));
  EXPECT_FALSE(Exists("cw/lock"));
}

TEST_F(CoordinatorDirectoryTest, HasAVolatileDirectoryInMemoryByDefault) {
  std::string path;
  {
    absl::StatusOr<CoordinatorDirectory> directory =
        CoordinatorDirectory::Open({.path = scratch_.File("cw")});
    ASSERT_THAT(directory, IsOk());
    path = directory->volatile_path();
    EXPECT_EQ(path, DefaultVolatilePath(directory->path()));
    EXPECT_NE(path.find(absl::StrCat("causeway-", geteuid(), "-")), std::string::npos);
    EXPECT_EQ(access((path + "/files").c_str(), W_OK), 0);
    directory->Leave(CoordinatorDirectory::Remove::kVolatileDirectoryToo);
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST_F(CoordinatorDirectoryTest, OfAnotherPathHasAnotherVolatileDirectory) {
  EXPECT_NE(DefaultVolatilePath("/run/a"), DefaultVolatilePath("/run/b"));
}

}  // namespace
}  // namespace causeway
