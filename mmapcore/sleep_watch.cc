#include "mmapcore/sleep_watch.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/statusor.h"
#include "mmapcore/background_thread.h"
#include "mmapcore/deadline.h"

namespace causeway {
namespace {

// One is the watch's own attention.
constexpr size_t kMostDoorbells = kMaxWaitedWords - 1;

}  // namespace

SleepWatch::~SleepWatch() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  attention_.Raise();
  if (thread.joinable()) thread.join();
}

bool SleepWatch::Watch(QuietLane* lane) {
  absl::MutexLock lock(&mutex_);
  if (DoorbellCount() + lane->DoorbellCount() > kMostDoorbells) return false;
  if (!thread_.joinable()) {
    absl::StatusOr<std::thread> thread = StartBackgroundThread("causeway-sleep", [this] { Run(); });
    if (!thread.ok()) return false;
    thread_ = *std::move(thread);
  }
  if (!lane->GoQuiet()) return false;
  lanes_.push_back(lane);
  attention_.Raise();
  return true;
}

void SleepWatch::Remove(QuietLane* lane) {
  absl::MutexLock lock(&mutex_);
  lanes_.erase(std::remove(lanes_.begin(), lanes_.end(), lane), lanes_.end());
}

size_t SleepWatch::DoorbellCount() const {
  size_t count = 0;
  for (const QuietLane* lane : lanes_) count += lane->DoorbellCount();
  return count;
}

void SleepWatch::Run() {
  std::vector<WaitedWord> words;
  while (true) {
    // Before the lanes are looked at: what changes after this load ends the wait.
    const uint32_t attention_seen = attention_.count();
    if (!Prepare(attention_seen, &words)) return;
    WaitForAny(words, Deadline::Infinite());
    attention_.EndSleep();
  }
}

bool SleepWatch::Prepare(uint32_t attention_seen, std::vector<WaitedWord>* words) {
  absl::MutexLock lock(&mutex_);
  words->clear();
  words->push_back(attention_.BeginSleep(attention_seen));
  if (stopping_) return false;
  const auto keep = [&](QuietLane* lane) {
    const size_t before = words->size();
    if (lane->ListDoorbells(words) && words->size() <= kMaxWaitedWords) return true;
    words->resize(before);
    resumed_.fetch_add(1, std::memory_order_relaxed);
    lane->Resume();
    return false;
  };
  lanes_.erase(
      std::remove_if(lanes_.begin(), lanes_.end(), [&](QuietLane* lane) { return !keep(lane); }),
      lanes_.end());
  return true;
}

}  // namespace causeway
