// What other threads do to a LaneWriter, and ask it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/process_barrier.h"
#include "mmapcore/segment_format.h"

namespace causeway {

void LaneWriter::SetRoster(std::vector<std::shared_ptr<ReaderCursor>> readers, uint64_t version) {
  auto roster = std::make_unique<Roster>();
  roster->version = version;
  bool all_hold = true;
  for (std::shared_ptr<ReaderCursor>& reader : readers) {
    all_hold = all_hold && reader->holds();
    const CursorPage* const page = &reader->page();
    roster->entries.push_back({.page = page, .cursor = std::move(reader)});
  }
  {
    absl::MutexLock lock(&mutex_);
    const Roster* const old = roster_.load(std::memory_order_relaxed);
    if (version < old->version) return;
    reader_count_.store(roster->entries.size(), std::memory_order_relaxed);
    all_hold_.store(all_hold, std::memory_order_relaxed);
    // I6. Release: the entries. Pairs with the acquires of the writer's thread.
    roster_.store(roster.release(), std::memory_order_release);
    retired_.emplace_back(old);
    CAUSEWAY_CRASH_POINT("writer.roster.roster_stored");
    // Pairs with the fence in FreeLeftSegments(), and with the order of claimed_ and roster_ in the
    // writer's thread.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const bool everywhere = ProcessBarrier() && !fences_itself_;
    // Release: joining readers that acquire this version come after the barrier.
    lane_page_->roster_version.StoreRelease(version);
    CAUSEWAY_CRASH_POINT("writer.roster.version_stored");
    // Acquire: pairs with the releases of claimed_ = 0. The writer's thread was not looking at a
    // roster after the barrier, and finds the new one from then on.
    if (everywhere && claimed_.load(std::memory_order_acquire) == 0) retired_.clear();
  }
  Ring(lane_page_->doorbell);
  attention_.Raise();
  if (options_.sleep_watch != nullptr) options_.sleep_watch->ReadersChanged();
}

void LaneWriter::Fence(absl::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (status_.ok()) status_ = std::move(status);
  }
  // I8.
  fenced_.store(true, std::memory_order_seq_cst);
  limit_.store(0, std::memory_order_seq_cst);
  attention_.Raise();
}

absl::Status LaneWriter::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

LaneWriterCounters LaneWriter::counters() const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  return {.frames = frames_.value(),
          .payload_bytes = payload_bytes_.value(),
          .rolls = rolls_.value(),
          .recycles = recycles_.value(),
          .segment_waits = segment_waits_.value(),
          .supply_waits = supply_waits_.value(),
          .laps = laps_.value(),
          .rings = rings_.value(),
          .bad_cursors = bad_cursors_.load(kRelaxed),
          .segments_refused = segments_refused_.value(),
          .segment_bytes = held_bytes_.load(kRelaxed)};
}

}  // namespace causeway
