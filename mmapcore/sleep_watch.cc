#include "mmapcore/sleep_watch.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "mmapcore/background_thread.h"
#include "mmapcore/deadline.h"

namespace causeway {
namespace {

// Of one thread. One more word is its own attention.
constexpr size_t kMostDoorbells = kMaxWaitedWords - 1;

}  // namespace

bool SleepWatch::Watch(QuietLane* lane) {
  for (Part& part : parts_) {
    const Part::Answer answer = part.Watch(lane, &resumed_);
    if (answer != Part::Answer::kNoRoom) return answer == Part::Answer::kQuiet;
  }
  return false;
}

void SleepWatch::Remove(QuietLane* lane) {
  for (Part& part : parts_) {
    if (part.Remove(lane)) return;
  }
}

void SleepWatch::ReadersChanged() {
  // Without a lock, which of them has the lane cannot be known. A thread that finds nothing new
  // goes back to sleep.
  for (Part& part : parts_) part.ReadersChanged();
}

SleepWatch::Part::~Part() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  attention_.Raise();
  if (thread.joinable()) thread.join();
}

SleepWatch::Part::Answer SleepWatch::Part::Watch(QuietLane* lane, std::atomic<uint64_t>* resumed) {
  absl::MutexLock lock(&mutex_);
  if (DoorbellCount() + lane->DoorbellCount() > kMostDoorbells) return Answer::kNoRoom;
  if (!thread_.joinable()) {
    absl::StatusOr<std::thread> thread =
        StartBackgroundThread("causeway-sleep", [this, resumed] { Run(resumed); });
    if (!thread.ok()) return Answer::kLooks;
    thread_ = *std::move(thread);
  }
  if (!lane->GoQuiet()) return Answer::kLooks;
  lanes_.push_back(lane);
  attention_.Raise();
  return Answer::kQuiet;
}

bool SleepWatch::Part::Remove(QuietLane* lane) {
  absl::MutexLock lock(&mutex_);
  return std::erase(lanes_, lane) != 0;
}

size_t SleepWatch::Part::DoorbellCount() const {
  size_t count = 0;
  for (const QuietLane* lane : lanes_) count += lane->DoorbellCount();
  return count;
}

void SleepWatch::Part::Run(std::atomic<uint64_t>* resumed) {
  std::vector<WaitedWord> words;
  while (true) {
    // Before the lanes are looked at: what changes after this load ends the wait.
    const uint32_t attention_seen = attention_.count();
    if (!Prepare(attention_seen, &words, resumed)) return;
    WaitForAny(words, Deadline::Infinite());
    attention_.EndSleep();
  }
}

bool SleepWatch::Part::Prepare(uint32_t attention_seen, std::vector<WaitedWord>* words,
                               std::atomic<uint64_t>* resumed) {
  absl::MutexLock lock(&mutex_);
  words->clear();
  words->push_back(attention_.BeginSleep(attention_seen));
  if (stopping_) return false;
  const auto keep = [&](QuietLane* lane) {
    const size_t before = words->size();
    if (lane->ListDoorbells(words) && words->size() <= kMaxWaitedWords) return true;
    words->resize(before);
    resumed->fetch_add(1, std::memory_order_relaxed);
    lane->Resume();
    return false;
  };
  std::erase_if(lanes_, [&](QuietLane* lane) { return !keep(lane); });
  return true;
}

}  // namespace causeway
