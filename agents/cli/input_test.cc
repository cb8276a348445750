#include "agents/cli/input.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Input OpenOrDie(const std::string& path) {
  absl::StatusOr<UniqueFd> fd = OpenInput(path);
  EXPECT_TRUE(fd.ok()) << fd.status();
  absl::StatusOr<Input> input = Input::FromFd(*std::move(fd), path);
  EXPECT_TRUE(input.ok()) << input.status();
  return *std::move(input);
}

// Everything up to the end, in pieces of `piece` bytes.
std::string ReadAll(Input& input, size_t piece) {
  std::string all;
  std::vector<std::byte> buffer(piece);
  while (true) {
    const absl::StatusOr<size_t> got = input.Read(buffer);
    EXPECT_TRUE(got.ok()) << got.status();
    if (!got.ok() || *got == 0) return all;
    all.append(reinterpret_cast<const char*>(buffer.data()), *got);
  }
}

std::string Digits(size_t length) {
  std::string bytes(length, '0');
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<char>('0' + i * 7 % 10);
  return bytes;
}

class InputTest : public ::testing::Test {
 protected:
  std::string WriteFile(const std::string& name, const std::string& bytes) const {
    const std::string path = scratch_.File(name);
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  testing::ScratchDirectory scratch_;
};

TEST_F(InputTest, ReadsAFileInPiecesOfAnySize) {
  const std::string bytes = Digits(10'000);
  Input input = OpenOrDie(WriteFile("pieces", bytes));
  EXPECT_THAT(input.size(), ::testing::Optional(10'000u));
  EXPECT_EQ(ReadAll(input, 4096), bytes);
  input.Rewind();
  EXPECT_EQ(ReadAll(input, 1), bytes);
  input.Rewind();
  EXPECT_EQ(ReadAll(input, 20'000), bytes);
}

TEST_F(InputTest, BeginsWhereTheDescriptorStands) {
  const std::string bytes = Digits(10'000);
  const std::string path = WriteFile("begins", bytes);
  for (const size_t begin : {size_t{1}, size_t{4096}, size_t{5000}, size_t{9999}}) {
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(lseek(fd.get(), static_cast<off_t>(begin), SEEK_SET), static_cast<off_t>(begin));
    absl::StatusOr<Input> input = Input::FromFd(std::move(fd), path);
    ASSERT_TRUE(input.ok()) << input.status();
    EXPECT_EQ(ReadAll(*input, 4096), bytes.substr(begin)) << begin;
    input->Rewind();
    EXPECT_EQ(ReadAll(*input, 4096), bytes.substr(begin)) << begin;
  }
}

TEST_F(InputTest, OfAnEmptyFileIsAtItsEndAtOnce) {
  Input input = OpenOrDie(WriteFile("empty", ""));
  EXPECT_EQ(ReadAll(input, 16), "");
  EXPECT_EQ(input.size(), std::nullopt);
}

TEST_F(InputTest, ReadsAPipeAsItComes) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  UniqueFd write_end(ends[1]);
  absl::StatusOr<Input> input = Input::FromFd(UniqueFd(ends[0]), "pipe");
  ASSERT_TRUE(input.ok()) << input.status();
  ASSERT_EQ(write(write_end.get(), "abc", 3), 3);
  std::vector<std::byte> buffer(100);
  EXPECT_EQ(input->Read(buffer).value(), 3u);
  write_end.Reset();
  EXPECT_EQ(input->Read(buffer).value(), 0u);
}

TEST_F(InputTest, ReadsFilesOfProcThatSayTheyAreEmpty) {
  Input input = OpenOrDie("/proc/self/status");
  EXPECT_THAT(ReadAll(input, 64), HasSubstr("Pid:"));
}

TEST_F(InputTest, ATruncatedFileIsDataLoss) {
  const std::string path = WriteFile("truncated", Digits(100'000));
  Input input = OpenOrDie(path);
  ASSERT_EQ(truncate(path.c_str(), 0), 0);
  std::vector<std::byte> buffer(50'000);
  EXPECT_THAT(input.Read(buffer), testing::StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(InputTest, OpeningSaysWhatToDo) {
  EXPECT_THAT(OpenInput("/nowhere/file"),
              testing::StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/file")));
  EXPECT_THAT(OpenInput(scratch_.path()),
              testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("is a directory"), HasSubstr("standard input"))));
  EXPECT_THAT(OpenInput(""), testing::StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(LargestLoadedLibrary, IsAFileThatCanBeRead) {
  const std::string path = LargestLoadedLibrary();
  EXPECT_EQ(path[0], '/');
  EXPECT_EQ(access(path.c_str(), R_OK), 0) << path;
}

}  // namespace
}  // namespace causeway
