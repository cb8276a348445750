// How a LaneWriter waits for its readers.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/spin_budget.h"
#include "mmapcore/spin_pause.h"
#include "mmapcore/wait_mode.h"

namespace causeway {
namespace {

// The longest sleep without a look: no wake is lost, so this bounds only what a broken reader, or a
// broken kernel, can cost.
constexpr absl::Duration kLongestSleep = absl::Milliseconds(100);

constexpr int kPausesWhenFull = 16;  // some 200 ns

}  // namespace

void LaneWriter::LeaveReadersAlone() {
  for (int i = 0; i < kPausesWhenFull; ++i) SpinPause();
}

template <typename Condition>
bool LaneWriter::WaitUntil(Deadline deadline, const Condition& condition) {
  while (true) {
    // Both before the condition is evaluated: what changes after these loads ends the sleep.
    const uint32_t attention_seen = attention_.count();
    const uint64_t lowest_seen = LowestHold();
    if (condition()) return true;
    if (deadline.HasPassed()) return false;
    {
      RosterUse use(*this);
      // A reader may sleep before an END, which nobody was woken for, and hold its segment. Who
      // falls asleep after this has found the END.
      RingForSleepers(*roster_.load(std::memory_order_acquire));
    }
    if (!Spin(attention_seen, lowest_seen, deadline)) Park(attention_seen, lowest_seen, deadline);
  }
}

Deadline LaneWriter::NextLook(Deadline deadline) const {
  Deadline next = Earlier(deadline, Deadline::After(kLongestSleep));
  const auto look_at = [&next](Deadline look) {
    if (!look.HasPassed()) next = Earlier(next, look);
  };
  if (lap_put_off_until_.has_value()) look_at(*lap_put_off_until_);
  if (patience_.has_value()) {
    if (!patience_->prepared) look_at(patience_->prepares_at);
    look_at(patience_->ends_at);
  }
  return next;
}

bool LaneWriter::Spin(uint32_t attention_seen, uint64_t lowest_seen, Deadline deadline) {
  if (options_.wait_mode == WaitMode::kPark) return false;
  const Deadline until = NextLook(deadline);
  const auto changed = [&] {
    LeaveReadersAlone();
    return attention_.count() != attention_seen || LowestHold() != lowest_seen;
  };
  if (options_.wait_mode == WaitMode::kAdaptive) return budget_.SpinUntil(until, changed);
  while (!SpinBudget::LookForAWhile(changed) && !until.HasPassed()) {
  }
  return true;
}

void LaneWriter::Park(uint32_t attention_seen, uint64_t lowest_seen, Deadline deadline) {
  RosterUse use(*this);
  const Roster& roster = *roster_.load(std::memory_order_acquire);
  words_.clear();
  words_.push_back(attention_.BeginSleep(attention_seen));
  for (const Roster::Entry& entry : roster.entries) {
    if (!entry.cursor->holds()) continue;
    words_.push_back(
        {.address = entry.page->doorbell.address(), .value = entry.page->doorbell.LoadRelaxed()});
  }
  // I7.
  CAUSEWAY_CRASH_POINT("writer.park.begun");
  lane_page_->writer_parked.StoreRelaxed(1);
  CAUSEWAY_CRASH_POINT("writer.park.parked_stored");
  // Pairs with the fence in LaneReader::RingWaitingWriter(): either that reader finds
  // writer_parked, or its cursor is found here.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (LowestCursor(roster, Wishes::kIgnored) == lowest_seen) {
    WaitForAny(words_, NextLook(deadline));
  }
  CAUSEWAY_CRASH_POINT("writer.park.slept");
  lane_page_->writer_parked.StoreRelaxed(0);
  CAUSEWAY_CRASH_POINT("writer.park.parked_cleared");
  attention_.EndSleep();
}

Claim LaneWriter::WaitForClaim(uint64_t length, Deadline deadline) {
  if (patience_.has_value() && !deadline.HasPassed()) {
    patience_->ends_at = Earlier(patience_->ends_at, Halfway(deadline));
    patience_->prepares_at = Earlier(patience_->prepares_at, Halfway(patience_->ends_at));
  }
  Claim claim;
  const bool decided = WaitUntil(deadline, [&] {
    claim = TryClaim(length);
    return claim.refusal != Refusal::kFull;
  });
  if (!decided) claim.refusal = Refusal::kTimedOut;
  return claim;
}

bool LaneWriter::Drained() {
  // Readers that have just joined hold everything, of which there is nothing.
  return frames_.value() == 0 || LowestHold() >= head();
}

bool LaneWriter::DrainUntil(Deadline deadline) {
  CommitStaged();
  CAUSEWAY_CRASH_POINT("writer.drain.begun");
  return WaitUntil(deadline, [&] { return Drained(); });
}

bool LaneWriter::WaitForReadersUntil(size_t count, Deadline deadline) {
  WaitUntil(deadline,
            [&] { return reader_count() >= count || fenced_.load(std::memory_order_acquire); });
  return reader_count() >= count;
}

}  // namespace causeway
