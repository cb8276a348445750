#include "agents/merged_lanes.h"

#include <algorithm>

#include "mmapcore/process_barrier.h"

namespace causeway {
namespace {

// Each look at the lanes lets everything through that was there before it, so that more are needed
// only while frames keep coming, or where a clock does not move.
constexpr int kRefreshesPerCall = 4;

// The longest wait without a look where nothing rings: for a clock.
constexpr absl::Duration kLongestNap = absl::Milliseconds(1);

}  // namespace

MergedLanes::MergedLanes(absl::Duration patience, WaitMode wait_mode)
    : patience_nanos_(absl::ToInt64Nanoseconds(patience)), wait_set_({.mode = wait_mode}) {}

void MergedLanes::Add(LaneReader* reader, uint64_t lane_id) {
  const LaneMerge::Slot slot = merge_.Add(lane_id);
  if (slot == lanes_.size()) lanes_.emplace_back();
  lanes_[slot] = {.reader = reader};
}

void MergedLanes::Remove(LaneReader* reader) {
  for (LaneMerge::Slot slot = 0; slot < lanes_.size(); ++slot) {
    if (lanes_[slot].reader != reader) continue;
    merge_.Remove(slot);
    lanes_[slot] = {};
  }
}

MergedLanes::Found MergedLanes::TryNext() {
  Found found;
  int refreshes = 0;
  while (!merge_.empty()) {
    const LaneMerge::Front front = merge_.front();
    Lane& lane = lanes_[front.slot];
    if (front.has_frame) {
      if (lane.reader->StillValid(lane.frame)) [[likely]] {
        found.late = merge_.Take(front.slot);
        found.reader = lane.reader;
        found.frame = lane.frame;
        return found;
      }
      // Lapped while it was held: it is the first one of the gap that the lane will tell of.
      merge_.DropFrame(front.slot);
    }
    if (!Poll(front.slot, found)) return found;
    if (merge_.HasFrame(front.slot)) continue;
    if (merge_.frames() == 0) {
      // Nothing is held back, so no barrier is due.
      if (!PollAll(found)) return found;
      if (merge_.frames() == 0) return found;
    }
    if (refreshes++ == kRefreshesPerCall) return found;
    if (!Refresh(found)) return found;
    const LaneMerge::Front now = merge_.front();
    if (!now.has_frame && lanes_[now.slot].waited_for) return found;
  }
  return found;
}

bool MergedLanes::Poll(LaneMerge::Slot slot, Found& found) {
  Lane& lane = lanes_[slot];
  const FrameView frame = lane.reader->TryNext();
  if (frame) {
    lane.frame = frame;
    lane.restless_since = 0;
    lane.waited_for = false;
    merge_.SetFrame(slot, frame.timestamp_ns);
    return true;
  }
  if (frame.state == ReadState::kNothing || frame.state == ReadState::kNotJoined) return true;
  found.reader = lane.reader;
  found.frame = frame;
  return false;
}

bool MergedLanes::PollAll(Found& found) {
  for (LaneMerge::Slot slot = 0; slot < lanes_.size(); ++slot) {
    if (lanes_[slot].reader == nullptr || merge_.HasFrame(slot)) continue;
    if (!Poll(slot, found)) return false;
  }
  return true;
}

bool MergedLanes::Refresh(Found& found) {
  // I12: first the clock, then the barrier, then the lanes.
  const int64_t now = Deadline::NowNanos();
  ++barriers_;
  const bool everywhere = ProcessBarrier();
  for (LaneMerge::Slot slot = 0; slot < lanes_.size(); ++slot) {
    Lane& lane = lanes_[slot];
    if (lane.reader == nullptr || merge_.HasFrame(slot)) continue;
    bool still = everywhere && lane.reader->StandsStill();
    if (!still) {
      if (!Poll(slot, found)) return false;
      if (merge_.HasFrame(slot)) continue;
      // It may have stood before the end of a segment.
      still = everywhere && lane.reader->StandsStill();
    }
    if (still) {
      lane.restless_since = 0;
    } else if (lane.restless_since == 0) {
      lane.restless_since = now;
    }
    lane.waited_for = !still && now - lane.restless_since < patience_nanos_;
    if (!lane.waited_for) merge_.RaiseWatermark(slot, static_cast<uint64_t>(now));
  }
  return true;
}

void MergedLanes::WaitUntil(Deadline deadline) {
  bool rings = false;
  for (const Lane& lane : lanes_) {
    if (!lane.waited_for) continue;
    deadline = Earlier(deadline, Deadline::AtNanos(lane.restless_since + patience_nanos_));
    wait_set_.Add(lane.reader);
    rings = true;
  }
  if (!rings) deadline = Earlier(deadline, Deadline::After(kLongestNap));
  wait_set_.WaitUntil(deadline);
  for (const Lane& lane : lanes_) {
    if (lane.waited_for) wait_set_.Remove(lane.reader);
  }
}

}  // namespace causeway
