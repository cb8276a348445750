// Under --config=tsan: what abseil orders is not reported as a race.

#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace causeway {
namespace {

constexpr int kRounds = 1000;

TEST(Tsan, MutexOrders) {
  absl::Mutex mutex;
  int value = 0;
  const auto add = [&] {
    for (int i = 0; i < kRounds; ++i) {
      absl::MutexLock lock(&mutex);
      ++value;
    }
  };
  std::thread other(add);
  add();
  other.join();
  EXPECT_EQ(value, 2 * kRounds);
}

TEST(Tsan, ReadersAndWritersAreOrdered) {
  absl::Mutex mutex;
  int value = 0;
  std::thread reader([&] {
    for (int i = 0; i < kRounds; ++i) {
      absl::ReaderMutexLock lock(&mutex);
      EXPECT_GE(value, 0);
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    if (mutex.TryLock()) {
      ++value;
      mutex.Unlock();
    }
  }
  reader.join();
}

TEST(Tsan, ConditionsAreEvaluatedInOrder) {
  absl::Mutex mutex;
  int turn = 0;
  const auto play = [&](int me) {
    const auto mine = [&] { return turn % 2 == me; };
    for (int i = 0; i < kRounds; ++i) {
      if (i % 2 == 0) {
        absl::MutexLock lock(&mutex);
        mutex.Await(absl::Condition(&mine));
        ++turn;
      } else {
        mutex.LockWhen(absl::Condition(&mine));
        ++turn;
        mutex.Unlock();
      }
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  EXPECT_EQ(turn, 2 * kRounds);
}

TEST(Tsan, CondVarOrders) {
  absl::Mutex mutex;
  absl::CondVar changed;
  int turn = 0;
  const auto play = [&](int me) {
    for (int i = 0; i < kRounds; ++i) {
      absl::MutexLock lock(&mutex);
      while (turn % 2 != me) changed.WaitWithTimeout(&mutex, absl::Seconds(60));
      ++turn;
      changed.Signal();
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  EXPECT_EQ(turn, 2 * kRounds);
}

TEST(Tsan, NotificationOrders) {
  for (int i = 0; i < kRounds; ++i) {
    absl::Notification done;
    int value = 0;
    std::thread other([&] {
      value = 1;
      done.Notify();
    });
    switch (i % 3) {
      case 0:
        done.WaitForNotification();
        break;
      case 1:
        EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(60)));
        break;
      default:
        while (!done.HasBeenNotified()) std::this_thread::yield();
    }
    EXPECT_EQ(value, 1);
    other.join();
  }
}

TEST(Tsan, CountersAndBarriersOrder) {
  absl::BlockingCounter counter(1);
  auto* const barrier = new absl::Barrier(2);
  int before_barrier = 0;
  int before_count = 0;
  std::thread other([&] {
    before_barrier = 1;
    if (barrier->Block()) delete barrier;
    before_count = 1;
    counter.DecrementCount();
  });
  if (barrier->Block()) delete barrier;
  EXPECT_EQ(before_barrier, 1);
  counter.Wait();
  EXPECT_EQ(before_count, 1);
  other.join();
}

}  // namespace
}  // namespace causeway
