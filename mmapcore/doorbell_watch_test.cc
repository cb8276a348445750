#include "mmapcore/doorbell_watch.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/shared_word.h"

namespace causeway {
namespace {

struct Doorbells {
  explicit Doorbells(size_t count) : words(count) {}
  std::vector<WaitedWord> Now() const {
    std::vector<WaitedWord> now;
    for (const SharedWord<uint32_t>& word : words) {
      now.push_back({.address = word.address(), .value = word.LoadRelaxed()});
    }
    return now;
  }
  std::vector<SharedWord<uint32_t>> words;
};

TEST(DoorbellWatch, TellsOfEachDoorbellAmongMoreThanOneSystemCallTakes) {
  Doorbells doorbells(300);
  for (const size_t rung : {size_t{0}, size_t{126}, size_t{127}, size_t{299}}) {
    absl::Notification told;
    DoorbellWatch watch([&] { told.Notify(); });
    ASSERT_TRUE(watch.Watch(doorbells.Now(), Deadline::Infinite()).ok());
    Ring(doorbells.words[rung]);
    told.WaitForNotification();
  }
}

TEST(DoorbellWatch, TellsOfARingBeforeItWasAsked) {
  Doorbells doorbells(1);
  const std::vector<WaitedWord> before = doorbells.Now();
  Ring(doorbells.words[0]);
  absl::Notification told;
  DoorbellWatch watch([&] { told.Notify(); });
  ASSERT_TRUE(watch.Watch(before, Deadline::Infinite()).ok());
  told.WaitForNotification();
}

TEST(DoorbellWatch, TellsWhenTheTimeIsOver) {
  Doorbells doorbells(1);
  absl::Notification told;
  DoorbellWatch watch([&] { told.Notify(); });
  ASSERT_TRUE(watch.Watch(doorbells.Now(), Deadline::After(absl::Milliseconds(1))).ok());
  told.WaitForNotification();
}

TEST(DoorbellWatch, TellsOncePerOrderAndNothingOnceStopped) {
  std::atomic<int> told{0};
  auto doorbells = std::make_unique<Doorbells>(200);
  DoorbellWatch watch([&] { ++told; });
  for (int round = 0; round < 1000; ++round) {
    ASSERT_TRUE(watch.Watch(doorbells->Now(), Deadline::Infinite()).ok());
    Ring(doorbells->words[round % 200]);
  }
  watch.Stop();
  doorbells.reset();  // Nobody looks at it any more.
  EXPECT_LE(told.load(), 2000);
}

}  // namespace
}  // namespace causeway
