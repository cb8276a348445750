#include "agents/cli/abandoned_directories.h"

#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

namespace fs = std::filesystem;

class AbandonedDirectoriesTest : public ::testing::Test {
 protected:
  // As a coordinator has it.
  fs::path Make(const std::string& name) {
    fs::create_directories(scratch_.File(name) + "/files");
    std::ofstream(scratch_.File(name) + "/files/lane-1") << "bytes";
    std::ofstream(scratch_.File(name) + "/lock") << "1\n";
    return scratch_.File(name);
  }

  causeway::testing::ScratchDirectory scratch_;
};

TEST_F(AbandonedDirectoriesTest, AreCollectedWithAllThatIsInThem) {
  const fs::path one = Make(NewJobDirectoryName());
  const fs::path other = Make(NewJobDirectoryName());
  EXPECT_NE(one, other);
  CollectAbandonedDirectories(scratch_.path());
  EXPECT_TRUE(fs::is_empty(scratch_.path()));
}

TEST_F(AbandonedDirectoriesTest, NothingIsTakenFromACoordinatorThatLives) {
  const fs::path path = Make(NewJobDirectoryName());
  {
    UniqueFd lock(open((path / "lock").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(flock(lock.get(), LOCK_EX), 0);
    CollectAbandonedDirectories(scratch_.path());
    EXPECT_TRUE(fs::exists(path / "files/lane-1"));
  }
  CollectAbandonedDirectories(scratch_.path());
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(AbandonedDirectoriesTest, NothingIsTakenFromOneThatIsJustBeingMade) {
  const fs::path path = scratch_.File(NewJobDirectoryName());
  fs::create_directory(path);
  CollectAbandonedDirectories(scratch_.path());
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(AbandonedDirectoriesTest, WhatIsOfAnotherKindStays) {
  const std::set<std::string> others = {
      "causeway-job-",       "causeway-job-0123456789abcde",   "causeway-job-0123456789ABCDEF",
      "causeway-0-01234567", "causeway-job-0123456789abcdef0", "job"};
  for (const std::string& name : others) Make(name);
  std::ofstream(scratch_.File("causeway-job-0123456789abcdef")) << "a file";
  fs::create_directory_symlink(scratch_.File("job"),
                               scratch_.File("causeway-job-1123456789abcdef"));
  CollectAbandonedDirectories(scratch_.path());
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(scratch_.File(name) + "/lock"));
  EXPECT_TRUE(fs::exists(scratch_.File("causeway-job-0123456789abcdef")));
  EXPECT_TRUE(fs::exists(scratch_.File("causeway-job-1123456789abcdef")));
  CollectAbandonedDirectories(scratch_.File("none"));
}

}  // namespace
}  // namespace causeway
