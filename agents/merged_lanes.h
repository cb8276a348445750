// The frames of several lanes as one sequence, in the order of their timestamps.

#ifndef CAUSEWAY_AGENTS_MERGED_LANES_H_
#define CAUSEWAY_AGENTS_MERGED_LANES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "agents/lane_merge.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/wait_mode.h"
#include "mmapcore/wait_set.h"

namespace causeway {

// Looks at the lanes, and asks LaneMerge which is next. Holds at most one frame of each lane: one
// that its LaneReader has returned, and whose LaneReader is therefore left alone until the frame
// has been given. One thread at a time, except for attention().
//
// The order is strict, by invariant I12 of docs/protocol.md: a lane that has nothing holds the
// others back only until it is seen to stand still after a process barrier, some 20 us; there is no
// window in which to wait for stragglers. A writer that is in the middle of a commit, or that has
// not admitted this reader yet, is waited for, for `patience` at most.
class MergedLanes {
 public:
  explicit MergedLanes(absl::Duration patience, WaitMode wait_mode);

  // `reader` is of a lane with timestamps. It must be removed before it is destroyed, and be used
  // through this object alone, but for Release() of the frame that was given last.
  void Add(LaneReader* reader, uint64_t lane_id);
  void Remove(LaneReader* reader);

  // What was found, and of which lane.
  struct Found {
    LaneReader* reader = nullptr;
    // A frame, or something that the lane has to say (kGap, kEnded, kDamaged, kOutOfRange).
    // kNothing: no frame may be given yet, or there is none.
    FrameView frame = {.state = ReadState::kNothing};
    // A frame that follows this one in the order was given before: its writer had been waited for
    // in vain, or its lane came later than its frame.
    bool late = false;
  };

  // Lets go of the frame that was given before. Never waits. What a lane has to say comes as soon
  // as it is found, before any later frame of that lane; if the lane is over, remove it.
  Found TryNext();

  // Whether there are frames that may not be given yet. Then wait here, and not for new frames.
  bool holds_back() const { return merge_.frames() > 0; }

  // Waits until what holds the frames back may have changed; briefly, whatever the deadline.
  void WaitUntil(Deadline deadline);

  // For other threads: ends a wait.
  Attention& attention() { return wait_set_.attention(); }

  // How often lanes were looked at behind a process barrier.
  uint64_t barriers() const { return barriers_; }

 private:
  struct Lane {
    LaneReader* reader = nullptr;  // null: the slot is not in use
    FrameView frame;               // if it has one
    int64_t restless_since = 0;    // when it was first found not to stand still; 0: it does
    bool waited_for = false;       // the others wait for it
  };

  // The next frame of a lane that has none. False: `found` is something else that it says.
  bool Poll(LaneMerge::Slot slot, Found& found);
  // Polls every lane that has no frame, and raises the watermarks of those that stand still, or
  // have been waited for in vain.
  bool PollAll(Found& found);
  bool Refresh(Found& found);

  const int64_t patience_nanos_;
  LaneMerge merge_;
  std::vector<Lane> lanes_;  // by slot
  WaitSet wait_set_;         // of the lanes that hold others back, while it waits
  uint64_t barriers_ = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_MERGED_LANES_H_
