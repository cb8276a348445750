#include "agents/call_queue.h"

#include <atomic>
#include <string>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

class CallQueueTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<CallQueue>> queue = CallQueue::Start();
    ASSERT_TRUE(queue.ok()) << queue.status();
    queue_ = *std::move(queue);
  }

  // Waits until everything that was added before has had a turn.
  void Drain() {
    absl::Notification done;
    queue_->Add([&done] {
      done.Notify();
      return absl::OkStatus();
    });
    done.WaitForNotification();
  }

  std::unique_ptr<CallQueue> queue_;
};

TEST_F(CallQueueTest, RunsInOrder) {
  std::string order;
  for (char c : {'a', 'b', 'c'}) {
    queue_->Add([&order, c] {
      order += c;
      return absl::OkStatus();
    });
  }
  Drain();
  EXPECT_EQ(order, "abc");
}

TEST_F(CallQueueTest, OneThatHasToBeRepeatedLetsOthersPass) {
  std::atomic<bool> back = false;
  absl::Notification done;
  queue_->Add([&] {
    if (!back) return absl::UnavailableError("away");
    done.Notify();
    return absl::OkStatus();
  });
  Drain();
  EXPECT_FALSE(done.HasBeenNotified());
  back = true;
  queue_->RetryNow();
  done.WaitForNotification();
}

TEST_F(CallQueueTest, IsRepeatedWithoutBeingTold) {
  int attempts = 0;
  absl::Notification done;
  queue_->Add([&] {
    if (++attempts < 3) return absl::UnavailableError("away");
    done.Notify();
    return absl::OkStatus();
  });
  done.WaitForNotification();
}

TEST_F(CallQueueTest, OtherErrorsEndAJob) {
  int attempts = 0;
  queue_->Add([&] {
    ++attempts;
    return absl::ResourceExhaustedError("full");
  });
  Drain();
  queue_->RetryNow();
  Drain();
  EXPECT_EQ(attempts, 1);
}

TEST_F(CallQueueTest, StopDropsWhatHasNotRun) {
  bool ran = false;
  queue_->Add([] { return absl::UnavailableError("away"); });
  queue_->Stop();
  queue_->Add([&ran] {
    ran = true;
    return absl::OkStatus();
  });
  queue_->Stop();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace causeway
