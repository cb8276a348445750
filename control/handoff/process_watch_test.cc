#include "control/handoff/process_watch.h"

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "control/process/incarnation.h"
#include "control/process/testing/child_process.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using testing::ChildProcess;

class ProcessWatchTest : public ::testing::Test {
 protected:
  ProcessWatchTest()
      : loop_(*EventLoop::Start()),
        watch_(
            loop_.get(),
            [this](uint64_t session_id) {
              absl::MutexLock lock(&mutex_);
              ++exits_[session_id];
              ++total_;
            },
            [this] { ++retries_due_; }) {}
  ~ProcessWatchTest() override { loop_.reset(); }

  std::map<uint64_t, int> WaitForExits(int count) {
    absl::MutexLock lock(&mutex_);
    awaited_ = count;
    mutex_.Await(absl::Condition(
        +[](ProcessWatchTest* self) { return self->total_ >= self->awaited_; }, this));
    return exits_;
  }

  // What has been reported once everything that is ready has been seen.
  std::map<uint64_t, int> ExitsNow() {
    absl::Notification done;
    loop_->Post([&] { loop_->Post([&] { done.Notify(); }); });
    done.WaitForNotification();
    absl::MutexLock lock(&mutex_);
    return exits_;
  }

  static UniqueFd PidfdOf(const ChildProcess& child) { return *OpenPidfd(child.pid()); }

  absl::Mutex mutex_;
  std::map<uint64_t, int> exits_;
  int total_ = 0;
  int awaited_ = 0;
  std::atomic<int> retries_due_ = 0;
  std::unique_ptr<EventLoop> loop_;
  ProcessWatch watch_;
};

TEST_F(ProcessWatchTest, ReportsAProcessThatWasKilledThoughNobodyReapedIt) {
  ChildProcess child;
  ASSERT_TRUE(watch_.Watch(7, PidfdOf(child)).ok());
  EXPECT_TRUE(ExitsNow().empty());
  child.Kill();
  EXPECT_EQ(WaitForExits(1)[7], 1);
}

TEST_F(ProcessWatchTest, ReportsAProcessThatHadEndedBefore) {
  ChildProcess child;
  UniqueFd pidfd = PidfdOf(child);
  child.KillAndReap();
  ASSERT_TRUE(watch_.Watch(7, std::move(pidfd)).ok());
  EXPECT_EQ(WaitForExits(1)[7], 1);
}

// Whoever dies meanwhile is not forgotten.
TEST_F(ProcessWatchTest, ReportsAProcessThatCouldNotBeWatchedAtFirst) {
  ChildProcess child;
  UniqueFd pidfd = PidfdOf(child);
  // A loop watches a descriptor once.
  const EventLoop::WatchId in_the_way = *loop_->Add(pidfd.get(), 0, [](uint32_t) {});
  EXPECT_FALSE(watch_.Watch(7, std::move(pidfd)).ok());
  EXPECT_EQ(retries_due_, 1);
  watch_.Retry();
  EXPECT_EQ(retries_due_, 2);
  child.Kill();
  EXPECT_TRUE(ExitsNow().empty());
  loop_->Remove(in_the_way);
  watch_.Retry();
  EXPECT_EQ(retries_due_, 2);
  EXPECT_EQ(WaitForExits(1)[7], 1);
}

TEST_F(ProcessWatchTest, LendsTheDescriptorOfAProcessThatLives) {
  ChildProcess child;
  EXPECT_FALSE(watch_.Pidfd(7).valid());
  ASSERT_TRUE(watch_.Watch(7, PidfdOf(child)).ok());
  const UniqueFd pidfd = watch_.Pidfd(7);
  EXPECT_FALSE(HasExited(pidfd.get()));
  child.Kill();
  WaitForExits(1);
  EXPECT_TRUE(HasExited(pidfd.get()));
  EXPECT_FALSE(watch_.Pidfd(7).valid());
}

TEST_F(ProcessWatchTest, DoesNotReportWhatItWasToldToForget) {
  ChildProcess child;
  ASSERT_TRUE(watch_.Watch(7, PidfdOf(child)).ok());
  watch_.Forget(7);
  child.KillAndReap();
  EXPECT_TRUE(ExitsNow().empty());
}

TEST_F(ProcessWatchTest, WatchesTheLatestProcessOfASession) {
  ChildProcess first, second;
  ASSERT_TRUE(watch_.Watch(7, PidfdOf(first)).ok());
  ASSERT_TRUE(watch_.Watch(7, PidfdOf(second)).ok());
  first.KillAndReap();
  EXPECT_TRUE(ExitsNow().empty());
  second.KillAndReap();
  EXPECT_EQ(WaitForExits(1)[7], 1);
}

TEST_F(ProcessWatchTest, ReportsEachOfManyOnce) {
  std::vector<std::unique_ptr<ChildProcess>> children;
  for (uint64_t session = 0; session < 20; ++session) {
    children.push_back(std::make_unique<ChildProcess>());
    ASSERT_TRUE(watch_.Watch(session, PidfdOf(*children.back())).ok());
  }
  for (auto& child : children) child->Kill();
  WaitForExits(20);
  const std::map<uint64_t, int> exits = ExitsNow();
  EXPECT_EQ(exits.size(), 20u);
  for (const auto& [session, count] : exits) EXPECT_EQ(count, 1) << session;
}

}  // namespace
}  // namespace causeway
