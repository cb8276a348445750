#include "agents/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace causeway {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Optional;

struct Flags {
  std::string stream;
  std::string dir;
  uint64_t frame_bytes = 64;
  uint64_t consumers = 2;
  absl::Duration deadline = absl::Seconds(1);
  bool json = false;
};

absl::StatusOr<bool> ParseInto(Flags& flags, std::vector<std::string> words) {
  words.insert(words.begin(), "publish");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  CommandLine line("publish", "Summary.", "  example\n");
  line.Positional("STREAM", &flags.stream, "Name of the stream");
  line.Directory(&flags.dir);
  line.Size("frame_bytes", &flags.frame_bytes, "");
  line.Count("consumers", &flags.consumers, "");
  line.Duration("deadline", &flags.deadline, "");
  line.Switch("json", &flags.json, "");
  return line.Parse(static_cast<int>(argv.size()), argv.data());
}

std::string ErrorOf(std::vector<std::string> words) {
  Flags flags;
  const absl::StatusOr<bool> parsed = ParseInto(flags, std::move(words));
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(parsed.status().message());
}

TEST(CommandLine, KeepsDefaults) {
  Flags flags;
  const auto parsed = ParseInto(flags, {"camera"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(*parsed);
  EXPECT_EQ(flags.stream, "camera");
  EXPECT_EQ(flags.frame_bytes, 64u);
  EXPECT_EQ(flags.deadline, absl::Seconds(1));
  EXPECT_FALSE(flags.json);
}

TEST(CommandLine, TakesDashesForUnderscores) {
  Flags flags;
  ASSERT_TRUE(ParseInto(flags, {"a-b", "--frame-bytes=64KiB", "--dir=x-y"}).ok());
  EXPECT_EQ(flags.frame_bytes, 65536u);
  EXPECT_EQ(flags.dir, "x-y");
  EXPECT_EQ(flags.stream, "a-b");
  ASSERT_TRUE(ParseInto(flags, {"--frame_bytes", "2M", "s"}).ok());
  EXPECT_EQ(flags.frame_bytes, 2u << 20);
}

TEST(CommandLine, ReadsDurations) {
  Flags flags;
  ASSERT_TRUE(ParseInto(flags, {"s", "--deadline=250ms"}).ok());
  EXPECT_EQ(flags.deadline, absl::Milliseconds(250));
  ASSERT_TRUE(ParseInto(flags, {"s", "--deadline=3"}).ok());
  EXPECT_EQ(flags.deadline, absl::Seconds(3));
  ASSERT_TRUE(ParseInto(flags, {"s", "--deadline=inf"}).ok());
  EXPECT_EQ(flags.deadline, absl::InfiniteDuration());
}

TEST(CommandLine, SaysWhatIsWrongWithAValue) {
  EXPECT_THAT(ErrorOf({"s", "--frame_bytes=12x"}), HasSubstr("--frame_bytes"));
  EXPECT_THAT(ErrorOf({"s", "--frame_bytes=-1"}), HasSubstr("--frame_bytes"));
  EXPECT_THAT(ErrorOf({"s", "--frame_bytes=99999999999G"}), HasSubstr("--frame_bytes"));
  EXPECT_THAT(ErrorOf({"s", "--consumers=two"}), HasSubstr("--consumers"));
  EXPECT_THAT(ErrorOf({"s", "--consumers=-1"}), HasSubstr("--consumers"));
  EXPECT_THAT(ErrorOf({"s", "--deadline=soon"}), AllOf(HasSubstr("--deadline"), HasSubstr("10s")));
  EXPECT_THAT(ErrorOf({"s", "--deadline=-1s"}), HasSubstr("--deadline"));
}

TEST(CommandLine, NamesWhatIsMissing) { EXPECT_THAT(ErrorOf({}), HasSubstr("STREAM")); }

TEST(CommandLine, SuggestsTheFlagThatWasMeant) {
  EXPECT_THAT(ErrorOf({"s", "--frame_byte=1"}), HasSubstr("did you mean --frame_bytes?"));
  EXPECT_THAT(ErrorOf({"s", "--jason"}), HasSubstr("did you mean --json?"));
  EXPECT_THAT(ErrorOf({"s", "--jsno"}), HasSubstr("did you mean --json?"));
  EXPECT_THAT(ErrorOf({"s", "--nothing_like_it"}), HasSubstr("causeway publish --help"));
  EXPECT_THAT(ErrorOf({"s", "t"}), HasSubstr("unexpected argument t"));
}

TEST(CommandLine, AnEmptyNameIsAValueLikeAnother) {
  Flags flags;
  ASSERT_TRUE(ParseInto(flags, {""}).ok());
  flags.dir = "full";
  ASSERT_TRUE(ParseInto(flags, {"s", "--dir="}).ok());
  EXPECT_EQ(flags.dir, "");
}

TEST(Nearest, GivesNothingThatIsFarAway) {
  EXPECT_THAT(Nearest("exchnage", {"exchange", "publish"}), Optional(std::string("exchange")));
  EXPECT_EQ(Nearest("frobnicate", {"exchange", "publish"}), std::nullopt);
  EXPECT_EQ(Nearest("", {"exchange"}), std::nullopt);
}

TEST(OneLine, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(OneLine("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
  EXPECT_EQ(OneLine("caf\xc3\xa9 \xff\xc3"), "caf\xc3\xa9 \\xff\\xc3");
}

TEST(OneLine, LeavesOutTheMiddleOfALongText) {
  const std::string line = OneLine(std::string(5000, 'a') + "!");
  EXPECT_LT(line.size(), 2100u);
  EXPECT_EQ(line.back(), '!');
}

TEST(DefaultDirectory, FollowsTheEnvironment) {
  setenv("CAUSEWAY_DIR", "/a", 1);
  setenv("XDG_RUNTIME_DIR", "/b", 1);
  EXPECT_EQ(DefaultDirectory(), "/a");
  setenv("CAUSEWAY_DIR", "", 1);
  EXPECT_EQ(DefaultDirectory(), "/b/causeway");
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_THAT(DefaultDirectory(), testing::StartsWith("/tmp/causeway-"));
}

}  // namespace
}  // namespace causeway
