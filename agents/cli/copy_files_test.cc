#include "agents/cli/copy_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::ScratchDirectory;
using testing::StatusIs;

class CopyFilesTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    std::ofstream(scratch_.File(name), std::ios::binary) << bytes;
    return scratch_.File(name);
  }

  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  size_t Entries() const {
    std::filesystem::directory_iterator entries(scratch_.path());
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
  }

  static void Fill(const CopyTarget& target, const std::string& bytes) {
    ASSERT_EQ(pwrite(target.fd(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }

  ScratchDirectory scratch_;
};

TEST_F(CopyFilesTest, TargetHasNoNameBeforeItIsPublished) {
  const CopySource source = CopySource::Open(Write("source", "bytes")).value();
  {
    CopyTarget target = CopyTarget::Create(source, scratch_.File("target")).value();
    ASSERT_THAT(target.Allocate(5), IsOk());
    Fill(target, "bytes");
    EXPECT_EQ(Entries(), 1u);
  }
  EXPECT_EQ(Entries(), 1u) << "an abandoned target left something behind";
  CopyTarget target = CopyTarget::Create(source, scratch_.File("target")).value();
  Fill(target, "bytes");
  ASSERT_THAT(target.Publish(source, false), IsOk());
  EXPECT_EQ(Read(scratch_.File("target")), "bytes");
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(CopyFilesTest, PublishingReplacesTheOldFileAndLeavesNoOtherName) {
  const CopySource source = CopySource::Open(Write("source", "new")).value();
  const std::string path = Write("target", "old and longer");
  CopyTarget target = CopyTarget::Create(source, path).value();
  Fill(target, "new");
  EXPECT_EQ(Read(path), "old and longer");
  ASSERT_THAT(target.Publish(source, false), IsOk());
  EXPECT_EQ(Read(path), "new");
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(CopyFilesTest, AllocationMakesTheExactSize) {
  const CopySource source = CopySource::Open(Write("source", "x")).value();
  CopyTarget target = CopyTarget::Create(source, scratch_.File("target")).value();
  ASSERT_THAT(target.Allocate(4097), IsOk());
  struct stat status;
  ASSERT_EQ(fstat(target.fd(), &status), 0);
  EXPECT_EQ(status.st_size, 4097);
  EXPECT_GE(status.st_blocks * 512, 4097);
}

TEST_F(CopyFilesTest, PreserveKeepsModeAndTimes) {
  const std::string path = Write("source", "x");
  ASSERT_EQ(chmod(path.c_str(), 0741), 0);
  const timespec times[] = {{1000, 1}, {2000, 2}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const CopySource source = CopySource::Open(path).value();
  CopyTarget target = CopyTarget::Create(source, scratch_.File("target")).value();
  ASSERT_THAT(target.Publish(source, true), IsOk());
  struct stat status;
  ASSERT_EQ(stat(scratch_.File("target").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0741u);
  EXPECT_EQ(status.st_mtim.tv_sec, 2000);
  EXPECT_EQ(status.st_mtim.tv_nsec, 2);
}

TEST_F(CopyFilesTest, WithoutPreserveTheUmaskCounts) {
  const std::string path = Write("source", "x");
  ASSERT_EQ(chmod(path.c_str(), 0777), 0);
  const CopySource source = CopySource::Open(path).value();
  CopyTarget target = CopyTarget::Create(source, scratch_.File("target")).value();
  const mode_t before = umask(027);
  const absl::Status published = target.Publish(source, false);
  umask(before);
  ASSERT_THAT(published, IsOk());
  struct stat status;
  ASSERT_EQ(stat(scratch_.File("target").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0750u);
}

TEST_F(CopyFilesTest, TheSameFileIsRefusedByWhateverName) {
  const std::string path = Write("source", "x");
  const CopySource source = CopySource::Open(path).value();
  ASSERT_EQ(link(path.c_str(), scratch_.File("hard").c_str()), 0);
  ASSERT_EQ(symlink(path.c_str(), scratch_.File("soft").c_str()), 0);
  for (const char* name : {"source", "hard", "soft", "./source", ""}) {
    EXPECT_THAT(CopyTarget::Create(source, scratch_.File(name)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("are the same file")))
        << name;
  }
  EXPECT_EQ(Read(path), "x");
}

TEST_F(CopyFilesTest, ADirectoryAsTargetGetsAFileOfTheSourcesName) {
  const CopySource source = CopySource::Open(Write("source", "x")).value();
  ASSERT_EQ(mkdir(scratch_.File("into").c_str(), 0700), 0);
  CopyTarget target = CopyTarget::Create(source, scratch_.File("into")).value();
  ASSERT_THAT(target.Publish(source, false), IsOk());
  EXPECT_TRUE(std::filesystem::exists(scratch_.File("into/source")));
}

TEST_F(CopyFilesTest, ALinkAsTargetIsFollowed) {
  const CopySource source = CopySource::Open(Write("source", "new")).value();
  const std::string behind = Write("behind", "old");
  ASSERT_EQ(symlink(behind.c_str(), scratch_.File("link").c_str()), 0);
  CopyTarget target = CopyTarget::Create(source, scratch_.File("link")).value();
  Fill(target, "new");
  ASSERT_THAT(target.Publish(source, false), IsOk());
  EXPECT_EQ(Read(behind), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(scratch_.File("link")));
}

TEST_F(CopyFilesTest, ARelativePathIsMeantFromTheWorkingDirectory) {
  const CopySource source = CopySource::Open(Write("source", "x")).value();
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(scratch_.path());
  absl::StatusOr<CopyTarget> target = CopyTarget::Create(source, "target");
  std::filesystem::current_path(before);
  ASSERT_THAT(target, IsOk());
  ASSERT_THAT(target->Publish(source, false), IsOk());
  EXPECT_TRUE(std::filesystem::exists(scratch_.File("target")));
}

TEST_F(CopyFilesTest, WhatIsNoRegularFileIsRefused) {
  EXPECT_THAT(CopySource::Open(scratch_.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a directory")));
  EXPECT_THAT(CopySource::Open("/dev/null"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CopySource::Open(scratch_.File("none")), StatusIs(absl::StatusCode::kNotFound));
  const CopySource source = CopySource::Open(Write("source", "x")).value();
  EXPECT_THAT(CopyTarget::Create(source, "/dev/null"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  EXPECT_THAT(CopyTarget::Create(source, scratch_.File("none/target")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CopyFilesTest, AChangedSourceIsNoticed) {
  const std::string path = Write("source", "bytes");
  const CopySource source = CopySource::Open(path).value();
  EXPECT_THAT(source.CheckUnchanged(), IsOk());
  ASSERT_EQ(truncate(path.c_str(), 2), 0);
  EXPECT_THAT(source.CheckUnchanged(),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("it had 5 bytes and has 2")));
}

TEST_F(CopyFilesTest, ComparingFindsTheFirstDifference) {
  const CopySource source = CopySource::Open(Write("source", "0123456789")).value();
  CopyTarget target = CopyTarget::Create(source, scratch_.File("target")).value();
  Fill(target, "0123456789");
  EXPECT_THAT(CompareBytes(source, target), IsOk());
  ASSERT_EQ(pwrite(target.fd(), "x", 1, 7), 1);
  EXPECT_THAT(CompareBytes(source, target),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("at offset 7")));
  ASSERT_EQ(ftruncate(target.fd(), 5), 0);
  EXPECT_THAT(CompareBytes(source, target), StatusIs(absl::StatusCode::kAborted));
}

}  // namespace
}  // namespace causeway
