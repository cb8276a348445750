#include "mmapcore/doorbell_watch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "mmapcore/background_thread.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"

namespace causeway {
namespace {

// One place of a futex_waitv(2) is for the word that tells the thread of new orders.
constexpr size_t kWordsPerThread = kMaxWaitedWords - 1;

bool Same(const WaitedWord& a, const WaitedWord& b) {
  return a.address == b.address && a.value == b.value && a.in_process == b.in_process;
}

bool HasChanged(const WaitedWord& word) {
  // Relaxed: whoever is told acquires what the change is about where it looks for it.
  return __atomic_load_n(word.address, __ATOMIC_RELAXED) != word.value;
}

}  // namespace

class DoorbellWatch::Watcher {
 public:
  explicit Watcher(const std::function<void()>& changed) : changed_(changed) {}

  absl::Status Start() {
    absl::StatusOr<std::thread> thread = StartBackgroundThread("doorbell_watch", [this] { Run(); });
    if (!thread.ok()) return thread.status();
    thread_ = *std::move(thread);
    return absl::OkStatus();
  }

  ~Watcher() {
    if (!thread_.joinable()) return;
    {
      absl::MutexLock lock(&mutex_);
      armed_ = false;
      quit_ = true;
    }
    orders_.Raise();
    thread_.join();
  }

  void Watch(std::span<const WaitedWord> words, Deadline until) {
    {
      absl::MutexLock lock(&mutex_);
      if (armed_ && until.nanos() == until_.nanos() &&
          std::equal(words.begin(), words.end(), words_.begin(), words_.end(), Same)) {
        return;
      }
      words_.assign(words.begin(), words.end());
      until_ = until;
      armed_ = true;
    }
    orders_.Raise();
  }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      armed_ = false;
      if (!looking_) return;
    }
    orders_.Raise();
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(+[](bool* looking) { return !*looking; }, &looking_));
  }

 private:
  bool HasOrders() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return armed_ || quit_; }

  void Run() {
    std::vector<WaitedWord> words;
    while (true) {
      Deadline until = Deadline::Infinite();
      uint32_t orders_seen = 0;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Watcher::HasOrders));
        if (quit_) return;
        words = words_;
        until = until_;
        orders_seen = orders_.count();
        looking_ = true;
      }
      // Raised after the words were copied: the kernel finds the count changed, and does not sleep.
      words.push_back(orders_.BeginSleep(orders_seen));
      WaitForAny(words, until);
      orders_.EndSleep();
      words.pop_back();
      const bool over = until.HasPassed() || std::any_of(words.begin(), words.end(), HasChanged);
      bool tell = false;
      {
        absl::MutexLock lock(&mutex_);
        looking_ = false;
        // What changed under older orders was known to whoever gave the newer ones.
        tell = over && armed_ && orders_.count() == orders_seen;
        if (tell) armed_ = false;
      }
      if (tell) changed_();
    }
  }

  const std::function<void()>& changed_;
  Attention orders_;
  absl::Mutex mutex_;
  std::vector<WaitedWord> words_ ABSL_GUARDED_BY(mutex_);
  Deadline until_ ABSL_GUARDED_BY(mutex_) = Deadline::Infinite();
  bool armed_ ABSL_GUARDED_BY(mutex_) = false;    // words_ are to be watched
  bool looking_ ABSL_GUARDED_BY(mutex_) = false;  // the thread looks at words
  bool quit_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

DoorbellWatch::DoorbellWatch(std::function<void()> changed) : changed_(std::move(changed)) {}

DoorbellWatch::~DoorbellWatch() = default;

absl::Status DoorbellWatch::Watch(std::span<const WaitedWord> words, Deadline until) {
  size_t watcher = 0;
  for (; !words.empty(); ++watcher) {
    if (watcher == watchers_.size()) {
      auto started = std::make_unique<Watcher>(changed_);
      if (absl::Status status = started->Start(); !status.ok()) return status;
      watchers_.push_back(std::move(started));
    }
    const size_t count = std::min(words.size(), kWordsPerThread);
    watchers_[watcher]->Watch(words.first(count), until);
    words = words.subspan(count);
  }
  for (; watcher < watchers_.size(); ++watcher) watchers_[watcher]->Stop();
  return absl::OkStatus();
}

void DoorbellWatch::Stop() {
  for (const std::unique_ptr<Watcher>& watcher : watchers_) watcher->Stop();
}

}  // namespace causeway
