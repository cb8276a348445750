#include "control/handoff/event_loop.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

class EventLoopTest : public ::testing::Test {
 protected:
  EventLoopTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    ours_.Reset(ends[0]);
    theirs_.Reset(ends[1]);
  }

  // Returns when everything that was ready or posted before has been seen.
  void WaitForALap() {
    absl::Notification done;
    loop_->Post([&] { loop_->Post([&] { done.Notify(); }); });
    done.WaitForNotification();
  }

  UniqueFd ours_;
  UniqueFd theirs_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Start();
};

TEST_F(EventLoopTest, CallsBackOnItsOwnThreadWhenADescriptorIsReadable) {
  absl::Notification called;
  bool on_loop_thread = false;
  EventLoop::WatchId watch = 0;
  loop_->Post([&] {
    watch = *loop_->Add(ours_.get(), EPOLLIN, [&](uint32_t events) {
      EXPECT_NE(events & EPOLLIN, 0u);
      on_loop_thread = loop_->OnLoopThread();
      loop_->Remove(watch);
      called.Notify();
    });
  });
  ASSERT_EQ(write(theirs_.get(), "x", 1), 1);
  called.WaitForNotification();
  EXPECT_TRUE(on_loop_thread);
  EXPECT_FALSE(loop_->OnLoopThread());
}

TEST_F(EventLoopTest, DoesNotCallAWatchThatWasRemovedInTheSameRound) {
  // Both are ready at once; whichever comes first removes the other.
  int calls = 0;
  EventLoop::WatchId a = 0, b = 0;
  absl::Notification added;
  loop_->Post([&] {
    ASSERT_EQ(write(theirs_.get(), "x", 1), 1);
    ASSERT_EQ(write(ours_.get(), "x", 1), 1);
    a = *loop_->Add(ours_.get(), EPOLLIN, [&](uint32_t) {
      ++calls;
      loop_->Remove(a);
      loop_->Remove(b);
    });
    b = *loop_->Add(theirs_.get(), EPOLLIN, [&](uint32_t) {
      ++calls;
      loop_->Remove(a);
      loop_->Remove(b);
    });
    added.Notify();
  });
  added.WaitForNotification();
  WaitForALap();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, WaitsForWhatItWasChangedTo) {
  absl::Notification writable;
  EventLoop::WatchId watch = 0;
  absl::Notification added;
  loop_->Post([&] {
    watch = *loop_->Add(ours_.get(), 0, [&](uint32_t events) {
      EXPECT_NE(events & EPOLLOUT, 0u);
      loop_->Remove(watch);
      writable.Notify();
    });
    added.Notify();
  });
  added.WaitForNotification();
  WaitForALap();
  EXPECT_FALSE(writable.HasBeenNotified());
  loop_->Change(watch, EPOLLOUT);
  writable.WaitForNotification();
}

TEST_F(EventLoopTest, RunsWhatIsPostedInOrder) {
  std::vector<int> order;
  absl::Notification done;
  for (int i = 0; i < 100; ++i) loop_->Post([&order, i] { order.push_back(i); });
  loop_->Post([&] { done.Notify(); });
  done.WaitForNotification();
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST_F(EventLoopTest, ThatNobodyUsedStops) {}

TEST_F(EventLoopTest, RefusesADescriptorThatCannotBeWaitedFor) {
  EXPECT_FALSE(loop_->Add(-1, EPOLLIN, [](uint32_t) {}).ok());
}

}  // namespace
}  // namespace causeway
