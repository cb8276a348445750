#include "agents/cli/process_group.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace causeway {
namespace {

using testing::HasSubstr;
using Kind = ProcessEvent::Kind;

// What this program does when the test starts it as a child: see main().
constexpr char kChildFlag[] = "--as_child";

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

ChildSpec Child(std::vector<std::string> words, int stop_signal = SIGKILL) {
  words.insert(words.begin(), kChildFlag);
  return {.name = words[1], .args = std::move(words), .stop_signal = stop_signal};
}

class ProcessGroupTest : public testing::Test {
 protected:
  ProcessGroup group_ = ProcessGroup::Create().value();

  ProcessEvent Next() {
    absl::StatusOr<ProcessEvent> event = group_.Next(Soon());
    EXPECT_TRUE(event.ok()) << event.status();
    return event.ok() ? *std::move(event) : ProcessEvent{};
  }
};

TEST_F(ProcessGroupTest, LinesComeBeforeTheEnd) {
  ASSERT_TRUE(group_.Start(Child({"say", "one", "two"})).ok());
  ProcessEvent event = Next();
  EXPECT_EQ(event.kind, Kind::kLine);
  EXPECT_EQ(event.line, "one");
  event = Next();
  EXPECT_EQ(event.line, "two");
  event = Next();
  EXPECT_EQ(event.kind, Kind::kExit);
  EXPECT_EQ(DescribeWaitStatus(event.wait_status), "exited with status 7");
}

TEST_F(ProcessGroupTest, ALineWithoutANewlineCounts) {
  ASSERT_TRUE(group_.Start(Child({"say_unended", "half"})).ok());
  EXPECT_EQ(Next().line, "half");
  EXPECT_EQ(Next().kind, Kind::kExit);
}

TEST_F(ProcessGroupTest, SaysWhichChildDiedByWhichSignal) {
  ASSERT_TRUE(group_.Start(Child({"wait"})).ok());
  const absl::StatusOr<size_t> second = group_.Start(Child({"wait"}));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(Next().line, "ready");
  EXPECT_EQ(Next().line, "ready");
  group_.Signal(*second, SIGABRT);
  const ProcessEvent event = Next();
  EXPECT_EQ(event.kind, Kind::kExit);
  EXPECT_EQ(event.child, *second);
  EXPECT_THAT(DescribeWaitStatus(event.wait_status), HasSubstr("killed by signal 6 (Abor"));
}

TEST_F(ProcessGroupTest, TellsOfSignalsToTheParent) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    kill(getpid(), signal);
    const ProcessEvent event = Next();
    EXPECT_EQ(event.kind, Kind::kSignal);
    EXPECT_EQ(event.signal, signal);
  }
}

TEST_F(ProcessGroupTest, EndsAtTheDeadline) {
  ASSERT_TRUE(group_.Start(Child({"wait"})).ok());
  EXPECT_EQ(Next().line, "ready");
  EXPECT_EQ(group_.Next(absl::Now()).value().kind, Kind::kDeadline);
  EXPECT_EQ(group_.Next(absl::Now() + absl::Milliseconds(2)).value().kind, Kind::kDeadline);
}

TEST_F(ProcessGroupTest, AChildIgnoresTheTerminalsSignals) {
  const size_t child = group_.Start(Child({"wait"})).value();
  EXPECT_EQ(Next().line, "ready");
  group_.Signal(child, SIGINT);
  group_.Signal(child, SIGHUP);
  group_.Signal(child, SIGTERM);
  EXPECT_THAT(DescribeWaitStatus(Next().wait_status), HasSubstr("signal 15 "));
}

TEST_F(ProcessGroupTest, StopsWhatWillNotStop) {
  const size_t stopped = group_.Start(Child({"wait"}, SIGTERM)).value();
  const size_t stubborn = group_.Start(Child({"ignore_term"}, SIGTERM)).value();
  EXPECT_EQ(Next().line, "ready");
  EXPECT_EQ(Next().line, "ready");
  group_.Signal(stopped, SIGSTOP);
  group_.StopAll(absl::Milliseconds(50));
  for (const size_t child : {stopped, stubborn}) {
    EXPECT_EQ(kill(group_.pid(child), 0), -1);
    EXPECT_EQ(errno, ESRCH);
  }
}

TEST_F(ProcessGroupTest, ThePipesOfOthersAreNotInherited) {
  ASSERT_TRUE(group_.Start(Child({"wait"})).ok());
  ASSERT_TRUE(group_.Start(Child({"count_descriptors"})).ok());
  std::vector<std::string> lines;
  while (lines.size() < 2) {  // The second child may end before the first has begun.
    const ProcessEvent event = Next();
    ASSERT_NE(event.kind, Kind::kDeadline);
    if (event.kind == Kind::kLine) lines.push_back(event.line);
  }
  EXPECT_THAT(lines, testing::UnorderedElementsAre("ready", "0 1 2 3"));
}

TEST_F(ProcessGroupTest, StandardInputIsWhatWasGiven) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  ASSERT_EQ(write(write_end.get(), "hello\n", 6), 6);
  write_end.Reset();
  ChildSpec spec = Child({"echo_line"});
  spec.stdin_fd = read_end.get();
  ASSERT_TRUE(group_.Start(spec).ok());
  EXPECT_EQ(Next().line, "hello");
}

// A parent that is killed cannot tell anybody: the kernel does.
TEST_F(ProcessGroupTest, ChildrenEndWithTheParent) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // The orphan comes to this process.
  const size_t parent = group_.Start(Child({"start_one"})).value();
  pid_t grandchild = 0;
  ASSERT_TRUE(absl::SimpleAtoi(Next().line, &grandchild));
  group_.Signal(parent, SIGKILL);
  EXPECT_EQ(Next().kind, Kind::kExit);
  int status = 0;
  ASSERT_EQ(waitpid(grandchild, &status, 0), grandchild);
  EXPECT_THAT(DescribeWaitStatus(status), HasSubstr("signal 9 "));
}

TEST(ProcessGroup, LeavesIgnoredSignalsIgnored) {
  signal(SIGHUP, SIG_IGN);
  {
    ProcessGroup group = ProcessGroup::Create().value();
    kill(getpid(), SIGHUP);
    EXPECT_EQ(group.Next(absl::Now()).value().kind, Kind::kDeadline);
  }
  signal(SIGHUP, SIG_DFL);
}

void Say(std::string_view line) {
  const std::string text = absl::StrCat(std::string(line), "\n");
  if (write(kReportFd, text.data(), text.size()) < 0) _exit(1);
}

int RunAsChild(const std::vector<std::string>& words) {
  const std::string& what = words[0];
  if (what == "say") {
    for (size_t i = 1; i < words.size(); ++i) Say(words[i]);
    return 7;
  }
  if (what == "say_unended") {
    return write(kReportFd, words[1].data(), words[1].size()) < 0 ? 1 : 0;
  }
  if (what == "echo_line") {
    char line[100] = {};
    if (std::fgets(line, sizeof line, stdin) != nullptr)
      Say(std::string_view(line, strcspn(line, "\n")));
    return 0;
  }
  if (what == "count_descriptors") {
    std::string open;
    for (int fd = 0; fd < 1000; ++fd) {
      if (fcntl(fd, F_GETFD) >= 0) absl::StrAppend(&open, open.empty() ? "" : " ", fd);
    }
    Say(open);
    return 0;
  }
  if (what == "start_one") {
    ProcessGroup group = ProcessGroup::Create().value();
    const size_t child = group.Start(Child({"wait"})).value();
    if (group.Next(Soon()).value().line != "ready") return 1;
    Say(absl::StrCat(group.pid(child)));
    pause();
  }
  if (what == "ignore_term") signal(SIGTERM, SIG_IGN);
  Say("ready");
  while (true) pause();
}

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) {
  if (argc > 2 && std::string_view(argv[1]) == causeway::kChildFlag) {
    return causeway::RunAsChild(std::vector<std::string>(argv + 2, argv + argc));
  }
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
