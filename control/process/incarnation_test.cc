#include "control/process/incarnation.h"

#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "control/process/testing/child_process.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using testing::ChildProcess;

Incarnation Find(const ProcessIdentity& known) {
  absl::StatusOr<IncarnationFound> found = FindIncarnation(known);
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() ? found->state : Incarnation::kUnknown;
}

TEST(Incarnation, OfARunningProcessIsAliveAndCanBeWatched) {
  ChildProcess child;
  absl::StatusOr<IncarnationFound> found = FindIncarnation(*IdentifyProcess(child.pid()));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->state, Incarnation::kAlive);
  EXPECT_FALSE(HasExited(found->pidfd.get()));
  child.KillAndReap();
  EXPECT_TRUE(HasExited(found->pidfd.get()));
}

TEST(Incarnation, OfAReapedProcessIsDead) {
  ChildProcess child;
  const ProcessIdentity known = *IdentifyProcess(child.pid());
  child.KillAndReap();
  EXPECT_EQ(Find(known), Incarnation::kDead);
}

TEST(Incarnation, OfAZombieIsDead) {
  ChildProcess child;
  const absl::StatusOr<ProcessIdentity> known = IdentifyProcess(child.pid());
  const absl::StatusOr<UniqueFd> pidfd = OpenPidfd(child.pid());
  child.Kill();
  while (!HasExited(pidfd->get())) {
  }
  EXPECT_EQ(Find(*known), Incarnation::kDead);
}

TEST(Incarnation, IsDeadWhenAnotherProcessHasItsPid) {
  ProcessIdentity known = *IdentifyProcess(getpid());
  known.start_ticks -= 1;
  EXPECT_EQ(Find(known), Incarnation::kDead);
}

TEST(Incarnation, OfAnEarlierBootIsDeadEvenIfPidAndStartTimeAreTheSame) {
  ProcessIdentity known = *IdentifyProcess(getpid());
  known.boot_id[0] = known.boot_id[0] == '0' ? '1' : '0';
  EXPECT_EQ(Find(known), Incarnation::kDead);
}

TEST(Incarnation, OfAnotherPidNamespaceIsUnknown) {
  ProcessIdentity known = *IdentifyProcess(getpid());
  known.pid_namespace += 1;
  EXPECT_EQ(Find(known), Incarnation::kUnknown);
}

TEST(Pidfd, OfNoProcessIsNotFound) {
  ChildProcess child;
  const pid_t pid = child.pid();
  child.KillAndReap();
  EXPECT_EQ(OpenPidfd(pid).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace causeway
