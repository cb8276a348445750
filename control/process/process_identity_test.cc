#include "control/process/process_identity.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "control/process/testing/child_process.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

std::string Stat(std::string_view name) {
  std::string text = "42 (" + std::string(name) + ") S";
  for (int field = 4; field <= 52; ++field) text += " " + std::to_string(field * 100);
  return text + "\n";
}

TEST(ParseStartTicks, TakesField22) { EXPECT_EQ(*ParseStartTicks(Stat("sleep")), 2200u); }

TEST(ParseStartTicks, IsNotFooledByTheCommandsName) {
  EXPECT_EQ(*ParseStartTicks(Stat("a) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20")),
            2200u);
  EXPECT_EQ(*ParseStartTicks(Stat("")), 2200u);
  EXPECT_EQ(*ParseStartTicks(Stat("((")), 2200u);
  EXPECT_EQ(*ParseStartTicks(Stat("new\nline)")), 2200u);
}

TEST(ParseStartTicks, RefusesWhatIsNoStat) {
  for (const char* text : {"", "42", "42 (sleep", "42 (sleep)", "42 (sleep) S 1 2 3",
                           "1 (a) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 -22 23",
                           "1 (a) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 x 23"}) {
    EXPECT_EQ(ParseStartTicks(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(ProcessIdentity, IsTheSameWheneverAskedFor) {
  const absl::StatusOr<ProcessIdentity> first = IdentifyProcess(getpid());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*first, *IdentifyProcess(getpid()));
  EXPECT_EQ(first->pid, getpid());
  EXPECT_EQ(first->boot_id.size(), 36u);
  EXPECT_GT(first->start_ticks, 0u);
}

TEST(ProcessIdentity, DoesNotDependOnTheNameAProcessGivesItself) {
  const uint64_t before = *ReadStartTicks(getpid());
  ASSERT_EQ(prctl(PR_SET_NAME, "a) S 1 2 3 (b"), 0);
  EXPECT_EQ(*ReadStartTicks(getpid()), before);
}

TEST(ProcessIdentity, OfAProcessThatIsGoneIsNotFound) {
  testing::ChildProcess child;
  const pid_t pid = child.pid();
  EXPECT_TRUE(IdentifyProcess(pid).ok());
  child.KillAndReap();
  EXPECT_EQ(IdentifyProcess(pid).status().code(), absl::StatusCode::kNotFound);
}

TEST(ProcessIdentity, OfNoPidIsAnInvalidArgument) {
  EXPECT_EQ(ReadStartTicks(0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadStartTicks(-1).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace causeway
