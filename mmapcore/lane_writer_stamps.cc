// Frames that carry the time at which they were committed. Besides them, only commits without a
// claim get here.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "mmapcore/deadline.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/segment_format.h"

namespace causeway {

bool LaneWriter::CommitStamped(uint64_t length) {
  const bool alone = staged_offset_ == 0;
  if (!StageStamped(length)) return false;
  // Behind a batch it gets its time with it: no earlier frame may have a later one.
  return alone ? CommitStaged() : true;
}

bool LaneWriter::StageStamped(uint64_t length) {
  if (length >= stamped_claim_) return false;
  stamped_claim_ = 0;
  StageFrame(length, stamp_bytes_ + length);
  return true;
}

void LaneWriter::StampFrom(uint64_t offset) {
  // I12. Release: whoever finds this commit begun finds the ones before committed.
  lane_page_->stamping.StoreRelease(1);
  // The store above and the look at the clock must not be swapped: the processor is kept from it by
  // the ProcessBarrier() of a reader that merges, the compiler by the fence here.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (fences_itself_) [[unlikely]]
    std::atomic_thread_fence(std::memory_order_seq_cst);
  last_timestamp_ = std::max(last_timestamp_, static_cast<uint64_t>(Deadline::NowNanos()));
  uint32_t length = DecodeHeaderWord(staged_word_).length;
  // What was staged is shorter only if its pages have been lost meanwhile.
  while (offset < tail_ && length >= kTimestampBytes) {
    // Relaxed: the header word's release publishes it.
    TimestampAt(segment_, offset).StoreRelaxed(last_timestamp_);
    offset += FrameSpan(length);
    length = DecodeHeaderWord(HeaderWordAt(segment_, offset).LoadRelaxed()).length;
  }
}

}  // namespace causeway
