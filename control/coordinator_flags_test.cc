#include "control/coordinator_flags.h"

#include <stdlib.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "control/api/version/version.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

std::variant<CoordinatorFlags, FlagsAnswer> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "coordinator");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return ParseCoordinatorFlags(static_cast<int>(argv.size()), argv.data());
}

CoordinatorFlags Flags(std::vector<std::string> words) {
  auto parsed = Parse(std::move(words));
  if (const auto* answer = std::get_if<FlagsAnswer>(&parsed)) ADD_FAILURE() << answer->text;
  return std::holds_alternative<CoordinatorFlags>(parsed) ? std::get<CoordinatorFlags>(parsed)
                                                          : CoordinatorFlags();
}

FlagsAnswer Answer(std::vector<std::string> words) {
  auto parsed = Parse(std::move(words));
  return std::holds_alternative<FlagsAnswer>(parsed) ? std::get<FlagsAnswer>(parsed)
                                                     : FlagsAnswer{.exit_code = -1};
}

TEST(CoordinatorFlags, HaveDefaultsThatServe) {
  const CoordinatorFlags flags = Flags({});
  EXPECT_FALSE(flags.options.directory.empty());
  EXPECT_EQ(flags.options.volatile_directory, "");
  EXPECT_EQ(flags.options.limits.max_agents, Limits().max_agents);
  EXPECT_EQ(flags.options.serving.max_connections, ServingLimits().max_connections);
  EXPECT_EQ(flags.log_level, LogLevel::kInfo);
  EXPECT_EQ(flags.ready_fd, -1);
  EXPECT_EQ(flags.options.huge_pages, HugePages::kAuto);
  EXPECT_FALSE(flags.options.ephemeral);
}

TEST(CoordinatorFlags, AreTaken) {
  const CoordinatorFlags flags =
      Flags({"--dir=/run/cw", "--volatile_dir", "/dev/shm/cw", "--ephemeral", "--log_level=debug",
             "--ready_fd=3", "--huge_pages=off", "--max_agents=7", "--max-calls-per-agent", "5"});
  EXPECT_EQ(flags.options.directory, "/run/cw");
  EXPECT_EQ(flags.options.volatile_directory, "/dev/shm/cw");
  EXPECT_EQ(flags.options.huge_pages, HugePages::kOff);
  EXPECT_TRUE(flags.options.ephemeral);
  EXPECT_EQ(flags.log_level, LogLevel::kDebug);
  EXPECT_EQ(flags.ready_fd, 3);
  EXPECT_EQ(flags.options.limits.max_agents, 7u);
  EXPECT_EQ(flags.options.serving.max_calls_per_agent, 5u);
}

TEST(CoordinatorFlags, TakeTheLastOfTwo) {
  EXPECT_EQ(Flags({"--max_agents=7", "--max_agents=8"}).options.limits.max_agents, 8u);
}

TEST(CoordinatorFlags, TakeEveryLimit) {
  for (const auto& [name, value] : LimitsByName(Limits())) {
    const CoordinatorFlags flags = Flags({"--" + name + "=" + std::to_string(value)});
    EXPECT_EQ(LimitsByName(flags.options.limits), LimitsByName(Limits())) << name;
  }
}

TEST(CoordinatorFlags, FindTheDirectoryWhereAgentsLookForIt) {
  setenv("CAUSEWAY_DIR", "/a", 1);
  EXPECT_EQ(Flags({}).options.directory, "/a");
  setenv("CAUSEWAY_DIR", "", 1);
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  EXPECT_EQ(Flags({}).options.directory, "/run/user/7/causeway");
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(Flags({}).options.directory.find("/tmp/causeway-"), 0u);
}

TEST(CoordinatorFlags, ResolveRelativePathsWhereTheUserIs) {
  setenv("BUILD_WORKING_DIRECTORY", "/home/me", 1);
  EXPECT_EQ(Flags({"--dir=cw"}).options.directory, "/home/me/cw");
  EXPECT_EQ(Flags({"--dir=/cw"}).options.directory, "/cw");
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(Flags({"--dir=cw"}).options.directory, "cw");
}

TEST(CoordinatorFlags, ExplainThemselves) {
  const FlagsAnswer help = Answer({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const auto& [name, value] : LimitsByName(Limits())) {
    EXPECT_NE(help.text.find("--" + name), std::string::npos) << name;
  }
  EXPECT_EQ(Answer({"--version"}).text, std::string(kVersion) + "\n");
}

TEST(CoordinatorFlags, SayWhatIsWrong) {
  for (const char* flag : {"--max_agents=0", "--max_agents=-1", "--max_agents=x", "--no_such_flag",
                           "--log_level=loud", "--ready_fd=-1", "stray"}) {
    const FlagsAnswer answer = Answer({flag});
    EXPECT_EQ(answer.exit_code, 2) << flag;
    EXPECT_FALSE(answer.text.empty()) << flag;
  }
}

}  // namespace
}  // namespace causeway
