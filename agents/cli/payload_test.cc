#include "agents/cli/payload.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class PayloadTest : public ::testing::Test {
 protected:
  Input FileOf(const std::string& bytes) {
    const std::string path = scratch_.File("input");
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    EXPECT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    lseek(fd.get(), 0, SEEK_SET);
    return Input::FromFd(std::move(fd), path).value();
  }

  // Everything, in pieces of `piece` bytes, each followed by a bar.
  static std::string Pieces(Input input, const PayloadLimits& limits, size_t piece) {
    Payload payload = Payload::Create(std::move(input), limits).value();
    std::string all;
    std::vector<std::byte> buffer(piece);
    while (true) {
      const absl::StatusOr<size_t> got = payload.Read(buffer);
      EXPECT_TRUE(got.ok()) << got.status();
      if (!got.ok() || *got == 0) return all;
      all.append(reinterpret_cast<const char*>(buffer.data()), *got);
      all.push_back('|');
    }
  }

  testing::ScratchDirectory scratch_;
};

TEST_F(PayloadTest, OnceByDefault) { EXPECT_EQ(Pieces(FileOf("abcde"), {}, 2), "ab|cd|e|"); }

TEST_F(PayloadTest, RepeatsWithoutRegardToFrames) {
  EXPECT_EQ(Pieces(FileOf("abc"), {.rounds = 3}, 4), "abca|bcab|c|");
}

TEST_F(PayloadTest, IsCutAtTheByte) {
  EXPECT_EQ(Pieces(FileOf("abc"), {.rounds = PayloadLimits::kNone, .max_bytes = 7}, 4),
            "abca|bca|");
  EXPECT_EQ(Pieces(FileOf("abc"), {.max_bytes = 2}, 4), "ab|");
  EXPECT_EQ(Pieces(FileOf("abc"), {.max_bytes = 0}, 4), "");
  EXPECT_EQ(Pieces(FileOf("abc"), {.max_bytes = 9}, 4), "abc|");
}

TEST_F(PayloadTest, OfAnEmptyFileIsEmpty) { EXPECT_EQ(Pieces(FileOf(""), {}, 4), ""); }

TEST_F(PayloadTest, NothingCannotBeRepeated) {
  EXPECT_THAT(Payload::Create(FileOf(""), {.rounds = 2}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--repeat")));
}

TEST_F(PayloadTest, PassesOnWhatAPipeHas) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd write_end(ends[1]);
  Payload payload =
      Payload::Create(Input::FromFd(UniqueFd(ends[0]), "pipe").value(), {.max_bytes = 5}).value();
  std::vector<std::byte> buffer(4);
  ASSERT_EQ(write(write_end.get(), "abc", 3), 3);
  EXPECT_EQ(payload.Read(buffer).value(), 3u);
  ASSERT_EQ(write(write_end.get(), "def", 3), 3);
  EXPECT_EQ(payload.Read(buffer).value(), 2u);
  EXPECT_EQ(payload.Read(buffer).value(), 0u);
}

}  // namespace
}  // namespace causeway
