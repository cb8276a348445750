#include "control/handoff/loop_timer.h"

#include <chrono>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "control/handoff/event_loop.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(LoopTimer, CallsBackOnTheLoopsThreadEachTimeItIsArmed) {
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Start();
  ASSERT_TRUE(loop.ok()) << loop.status();
  int calls = 0;  // Of the loop's thread.
  absl::Notification first;
  absl::Notification second;
  absl::StatusOr<std::unique_ptr<LoopTimer>> timer =
      LoopTimer::Create(loop->get(), std::chrono::milliseconds(1), [&] {
        EXPECT_TRUE((*loop)->OnLoopThread());
        (++calls == 1 ? first : second).Notify();
      });
  ASSERT_TRUE(timer.ok()) << timer.status();
  EXPECT_FALSE(first.HasBeenNotified());
  (*timer)->Arm();
  first.WaitForNotification();
  (*timer)->Arm();
  second.WaitForNotification();
  loop->reset();
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace causeway
