#include "control/files/work_queue.h"

#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(WorkQueue, RunsEverythingInOrderBeforeItStops) {
  std::vector<int> order;
  absl::Notification begin;
  {
    WorkQueue queue;
    queue.Add([&] { begin.WaitForNotification(); });
    for (int i = 0; i < 100; ++i) queue.Add([&order, i] { order.push_back(i); });
    begin.Notify();
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(WorkQueue, ThatNobodyUsedStops) { WorkQueue queue; }

}  // namespace
}  // namespace causeway
