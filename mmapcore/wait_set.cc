#include "mmapcore/wait_set.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/process_barrier.h"
#include "mmapcore/spin_pause.h"

namespace causeway {
namespace {

// The longest sleep without a look. No wake is lost, so this bounds only what a broken writer, or a
// broken kernel, can cost; and it costs an idle reader a few microseconds each time.
constexpr absl::Duration kLongestSleep = absl::Milliseconds(100);

// Spins are measured in looks and bounded in time; the clock is read once in so many looks.
constexpr int kLooksPerClock = 32;
constexpr int64_t kMinSpinNanos = 500;

}  // namespace

WaitSet::WaitSet(const WaitSetOptions& options)
    : options_(options), spin_nanos_(options.max_spin_nanos) {}

void WaitSet::Add(LaneReader* reader) { readers_.push_back(reader); }

void WaitSet::Remove(LaneReader* reader) {
  readers_.erase(std::remove(readers_.begin(), readers_.end(), reader), readers_.end());
}

bool WaitSet::AnyReady() const {
  return std::any_of(readers_.begin(), readers_.end(),
                     [](const LaneReader* reader) { return reader->Ready(); });
}

WaitResult WaitSet::WaitUntil(Deadline deadline) {
  while (true) {
    const uint32_t attention = attention_.count();
    if (attention != attention_seen_) {
      attention_seen_ = attention;
      return WaitResult::kAttention;
    }
    if (AnyReady()) return WaitResult::kReady;
    if (deadline.HasPassed()) return WaitResult::kTimedOut;
    if (!Spin(deadline)) Park(deadline);
  }
}

bool WaitSet::Spin(Deadline deadline) {
  if (spin_nanos_ <= 0) return false;
  const Deadline until = Earlier(deadline, Deadline::AtNanos(Deadline::NowNanos() + spin_nanos_));
  do {
    for (int look = 0; look < kLooksPerClock; ++look) {
      if (AnyReady() || attention_.count() != attention_seen_) {
        spin_nanos_ = std::min(options_.max_spin_nanos, spin_nanos_ * 2);
        return true;
      }
      SpinPause();
    }
  } while (!until.HasPassed());
  spin_nanos_ = std::min(options_.max_spin_nanos, std::max(kMinSpinNanos, spin_nanos_ / 2));
  return false;
}

void WaitSet::Park(Deadline deadline) {
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
  // I4. After this, a writer whose commit is not found by the look below finds us parked.
  const bool everywhere = ProcessBarrier();
  bool awake = AnyReady();
  for (LaneReader* const reader : readers_) {
    // A writer that waits for this cursor would wait for as long as we sleep.
    if (!reader->finished()) reader->NothingYet();
    if (!awake && !reader->finished()) reader->RingQuietWriter();
  }
  while (!awake) {
    const absl::Duration nap = everywhere ? kLongestSleep : absl::Nanoseconds(kUnwatchedNapNanos);
    ++parks_;
    WaitForAny(words_, Earlier(deadline, Deadline::After(nap)));
    // Asleep again with the same number, if nothing has happened: nobody has rung for it yet.
    awake = AnyReady() || deadline.HasPassed() || Changed();
  }
  for (LaneReader* const reader : readers_) {
    if (!reader->finished()) reader->cursor_->parked.StoreRelaxed(0);
  }
  attention_.EndSleep();
}

bool WaitSet::Changed() const {
  if (attention_.count() != attention_seen_) return true;
  // words_[0] is attention's.
  size_t word = 1;
  for (const LaneReader* const reader : readers_) {
    if (reader->finished()) continue;
    if (reader->lane_page_->doorbell.LoadRelaxed() != words_[word++].value) return true;
  }
  return false;
}

}  // namespace causeway
