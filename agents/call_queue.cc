#include "agents/call_queue.h"

#include <algorithm>
#include <utility>

#include "mmapcore/background_thread.h"

namespace causeway {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<CallQueue>> CallQueue::Start() {
  std::unique_ptr<CallQueue> queue(new CallQueue());
  absl::StatusOr<std::thread> thread =
      StartBackgroundThread("causeway-calls", [queue = queue.get()] { queue->Run(); });
  if (!thread.ok()) return thread.status();
  queue->thread_ = *std::move(thread);
  return queue;
}

CallQueue::~CallQueue() { Stop(); }

void CallQueue::Add(Job job) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return;
  ready_.push_back({std::move(job), absl::InfinitePast(), kFirstPause});
}

void CallQueue::RetryNow() {
  absl::MutexLock lock(&mutex_);
  for (Entry& entry : deferred_) ready_.push_back(std::move(entry));
  deferred_.clear();
}

void CallQueue::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool CallQueue::HasWork() const { return stopping_ || !ready_.empty(); }

void CallQueue::Run() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    absl::Time next = absl::InfiniteFuture();
    for (const Entry& entry : deferred_) next = std::min(next, entry.not_before);
    mutex_.AwaitWithDeadline(absl::Condition(this, &CallQueue::HasWork), next);
    if (stopping_) break;
    const absl::Time now = absl::Now();
    for (auto it = deferred_.begin(); it != deferred_.end();) {
      if (it->not_before > now) {
        ++it;
        continue;
      }
      ready_.push_back(std::move(*it));
      it = deferred_.erase(it);
    }
    if (ready_.empty()) continue;
    Entry entry = std::move(ready_.front());
    ready_.pop_front();
    mutex_.Unlock();
    const absl::Status status = entry.job();
    // What the job holds may end a session: not under the lock.
    if (!absl::IsUnavailable(status)) entry.job = nullptr;
    mutex_.Lock();
    if (entry.job == nullptr) continue;
    entry.not_before = absl::Now() + entry.pause;
    entry.pause = std::min(entry.pause * 2, kLongestPause);
    deferred_.push_back(std::move(entry));
  }
}

}  // namespace causeway
