#include "mmapcore/wait_set.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/doorbell_watch.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/process_barrier.h"
#include "mmapcore/spin_budget.h"

namespace causeway {
namespace {

// The first sleep without a look, and the longest: each is twice as long as the one before. No
// wake is lost, so this bounds only what a broken writer, or a broken kernel, can cost: a frame is
// found after no more than twice the silence before it. Each look costs an idle reader some 50 us
// for one lane, and 200 us for a hundred, which are a wake and the kernel's queueing of each word.
constexpr absl::Duration kFirstSleep = absl::Milliseconds(100);
constexpr absl::Duration kLongestSleep = absl::Milliseconds(1600);

bool HasChanged(const WaitedWord& word) {
  // Relaxed: what the change is about is acquired where it is looked for.
  return __atomic_load_n(word.address, __ATOMIC_RELAXED) != word.value;
}

}  // namespace

WaitSet::WaitSet(const WaitSetOptions& options)
    : options_(options),
      budget_(options.mode == WaitMode::kAdaptive ? options.max_spin_nanos : 0) {}

WaitSet::~WaitSet() {
  Disarm();
  StopWatching();
}

void WaitSet::Add(LaneReader* reader) {
  readers_.push_back(reader);
  // It is not among those that the descriptor speaks for.
  if (armed_) MakeReadable();
}

void WaitSet::Remove(LaneReader* reader) {
  if (armed_) {
    Unpark();
    MakeReadable();
  }
  // Its doorbell may be unmapped next.
  StopWatching();
  readers_.erase(std::remove(readers_.begin(), readers_.end(), reader), readers_.end());
}

void WaitSet::StopWatching() {
  if (watch_ != nullptr) watch_->Stop();
  if (event_watch_ != nullptr) event_watch_->Stop();
}

bool WaitSet::AnyReady() const {
  return std::any_of(readers_.begin(), readers_.end(),
                     [](const LaneReader* reader) { return reader->Ready(); });
}

void WaitSet::RingWriters(bool to_sleep) {
  for (LaneReader* const reader : readers_) {
    if (reader->finished()) continue;
    reader->NothingYet();
    if (to_sleep) reader->RingQuietWriter();
  }
}

WaitResult WaitSet::WaitUntil(Deadline deadline) {
  Disarm();
  while (true) {
    const uint32_t attention = attention_.count();
    if (attention != attention_seen_) {
      attention_seen_ = attention;
      return WaitResult::kAttention;
    }
    if (AnyReady()) return WaitResult::kReady;
    if (deadline.HasPassed()) return WaitResult::kTimedOut;
    if (options_.mode == WaitMode::kSpin) {
      SpinOn();
    } else if (!budget_.SpinUntil(deadline, [this] { return AnyNews(); })) {
      Park(deadline);
    }
  }
}

void WaitSet::SpinOn() {
  if (SpinBudget::LookForAWhile([this] { return AnyNews(); })) return;
  RingWriters(/*to_sleep=*/false);
}

bool WaitSet::SayParked() {
  words_.clear();
  words_.push_back(attention_.BeginSleep(attention_seen_));
  for (LaneReader* const reader : readers_) {
    if (reader->finished()) continue;
    // Before the look below: a ring after this load ends the sleep.
    words_.push_back({.address = reader->lane_page_->doorbell.address(),
                      .value = reader->lane_page_->doorbell.LoadRelaxed()});
    if (++reader->sleeps_ == 0) ++reader->sleeps_;
    // Relaxed: the barrier orders it.
    reader->cursor_->parked.StoreRelaxed(reader->sleeps_);
  }
  CAUSEWAY_CRASH_POINT("reader.park.parked_stored");
  // I4. After this, a writer whose commit is not found by the next look finds us parked.
  return ProcessBarrier();
}

void WaitSet::Unpark() {
  armed_ = false;
  for (LaneReader* const reader : readers_) {
    if (!reader->finished()) reader->cursor_->parked.StoreRelaxed(0);
  }
  attention_.EndSleep();
  CAUSEWAY_CRASH_POINT("reader.park.parked_cleared");
}

void WaitSet::Park(Deadline deadline) {
  // Before the doorbells are loaded: who is told of an older change is told of it by these loads.
  const uint32_t told_seen = told_.count();
  const bool everywhere = SayParked();
  CAUSEWAY_CRASH_POINT("reader.park.barrier_done");
  bool awake = AnyReady();
  RingWriters(/*to_sleep=*/!awake);
  std::span<const WaitedWord> mine = words_;
  const bool delegated = !awake && Delegate();
  if (delegated) {
    // In the place of the first doorbell that others watch.
    words_[kMaxWaitedWords - 1] = told_.BeginSleep(told_seen);
    mine = mine.first(kMaxWaitedWords);
  }
  absl::Duration sleep = kFirstSleep;
  while (!awake) {
    const absl::Duration nap = everywhere ? sleep : absl::Nanoseconds(kUnwatchedNapNanos);
    sleep = std::min(2 * sleep, kLongestSleep);
    ++parks_;
    WaitForAny(mine, Earlier(deadline, Deadline::After(nap)));
    CAUSEWAY_CRASH_POINT("reader.park.slept");
    // Asleep again with the same number, if nothing has happened: nobody has rung for it yet.
    awake =
        AnyReady() || deadline.HasPassed() || std::any_of(words_.begin(), words_.end(), HasChanged);
  }
  if (delegated) told_.EndSleep();
  Unpark();
}

bool WaitSet::Delegate() {
  if (words_.size() <= kMaxWaitedWords) return false;
  if (watch_ == nullptr) {
    watch_ = std::make_unique<DoorbellWatch>([this] { told_.Raise(); });
  }
  return watch_
      ->Watch(std::span<const WaitedWord>(words_).subspan(kMaxWaitedWords - 1),
              Deadline::Infinite())
      .ok();
}

absl::StatusOr<int> WaitSet::Descriptor() {
  if (!event_.valid()) {
    event_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_.valid()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "eventfd: ", std::strerror(errno), "; raise the limit of open files (ulimit -n)"));
    }
  }
  return event_.get();
}

absl::Status WaitSet::Arm() {
  if (absl::StatusOr<int> descriptor = Descriptor(); !descriptor.ok()) return descriptor.status();
  Disarm();
  // What a watching thread still has to say about the past may come after this; then the descriptor
  // is readable without a cause, once.
  uint64_t past = 0;
  [[maybe_unused]] const ssize_t cleared = read(event_.get(), &past, sizeof(past));
  const bool everywhere = SayParked();
  armed_ = true;
  const uint32_t attention = attention_.count();
  const bool awake = attention != attention_seen_ || AnyReady();
  RingWriters(/*to_sleep=*/!awake);
  if (awake) {
    attention_seen_ = attention;
    Unpark();
    MakeReadable();
    return absl::OkStatus();
  }
  if (event_watch_ == nullptr) {
    event_watch_ = std::make_unique<DoorbellWatch>([this] { MakeReadable(); });
  }
  const absl::Status watched = event_watch_->Watch(
      words_,
      everywhere ? Deadline::Infinite() : Deadline::After(absl::Nanoseconds(kUnwatchedNapNanos)));
  if (!watched.ok()) Unpark();
  return watched;
}

void WaitSet::MakeReadable() {
  const uint64_t one = 1;
  // It can fail only if the count would overflow: then it is readable.
  [[maybe_unused]] const ssize_t written = write(event_.get(), &one, sizeof(one));
}

}  // namespace causeway
