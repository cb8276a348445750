#include "mmapcore/doorbell.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/process_barrier.h"
#include "mmapcore/shared_word.h"

namespace causeway {
namespace {

WaitedWord Waited(const SharedWord<uint32_t>& word, uint32_t value) {
  return {.address = word.address(), .value = value};
}

TEST(WaitForAny, ReturnsAtOnceIfAWordHasChanged) {
  SharedWord<uint32_t> words[2]{};
  words[1].StoreRelaxed(5);
  WaitForAny({{Waited(words[0], 1)}}, Deadline::Infinite());
  WaitForAny({{Waited(words[0], 0), Waited(words[1], 4)}}, Deadline::Infinite());
}

TEST(WaitForAny, ReturnsAtItsDeadline) {
  SharedWord<uint32_t> words[2]{};
  const Deadline deadline = Deadline::After(absl::Milliseconds(5));
  // Spurious returns are allowed.
  while (!deadline.HasPassed()) WaitForAny({{Waited(words[0], 0)}}, deadline);
  const Deadline next = Deadline::After(absl::Milliseconds(5));
  while (!next.HasPassed()) WaitForAny({{Waited(words[0], 0), Waited(words[1], 0)}}, next);
}

TEST(WaitForAny, IsWokenByARingOfAnyOfItsWords) {
  for (const int rung : {0, 1, 63}) {
    std::vector<SharedWord<uint32_t>> words(64);
    std::vector<WaitedWord> waited;
    for (const SharedWord<uint32_t>& word : words) waited.push_back(Waited(word, 0));
    std::thread ringer([&] { Ring(words[rung]); });
    while (words[rung].LoadAcquire() == 0) WaitForAny(waited, Deadline::Infinite());
    ringer.join();
  }
}

TEST(WaitForAny, WithMoreWordsThanTheKernelTakesLooksAtTheRestFromTimeToTime) {
  std::vector<SharedWord<uint32_t>> words(kMaxWaitedWords + 1);
  std::vector<WaitedWord> waited;
  for (const SharedWord<uint32_t>& word : words) waited.push_back(Waited(word, 0));
  std::thread ringer([&] { Ring(words.back()); });
  while (words.back().LoadAcquire() == 0) WaitForAny(waited, Deadline::Infinite());
  ringer.join();
}

TEST(Attention, RaisedBeforeTheWaitEndsIt) {
  Attention attention;
  const uint32_t seen = attention.count();
  attention.Raise();
  WaitForAny({{attention.BeginSleep(seen)}}, Deadline::Infinite());
  attention.EndSleep();
  EXPECT_EQ(attention.count(), seen + 1);
}

TEST(Attention, WakesTheOneThatSleeps) {
  Attention attention;
  constexpr uint32_t kRaises = 2000;
  std::atomic<uint32_t> seen{0};
  std::thread raiser([&] {
    for (uint32_t i = 0; i < kRaises; ++i) {
      attention.Raise();
      // In step, so that the other side sleeps each time.
      while (seen.load() <= i) std::this_thread::yield();
    }
  });
  for (uint32_t i = 0; i < kRaises;) {
    WaitForAny({{attention.BeginSleep(i)}}, Deadline::Infinite());
    attention.EndSleep();
    i = attention.count();
    seen.store(i);
  }
  raiser.join();
}

TEST(ProcessBarrier, WorksOrSaysThatItDoesNot) {
  EXPECT_EQ(RegisterForProcessBarriers(), RegisterForProcessBarriers());
  if (RegisterForProcessBarriers()) {
    EXPECT_TRUE(ProcessBarrier());
  }
}

TEST(Deadline, SaturatesInsteadOfWrapping) {
  EXPECT_EQ(Deadline::After(absl::InfiniteDuration()).nanos(), Deadline::Infinite().nanos());
  EXPECT_FALSE(Deadline::After(absl::InfiniteDuration()).HasPassed());
  EXPECT_TRUE(Deadline::After(-absl::Seconds(1)).HasPassed());
  EXPECT_TRUE(Deadline::Passed().HasPassed());
}

}  // namespace
}  // namespace causeway
