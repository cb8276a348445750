// Which of several lanes has the next frame, if frames are to be given in the order of their
// timestamps. Knows only numbers.

#ifndef CAUSEWAY_AGENTS_LANE_MERGE_H_
#define CAUSEWAY_AGENTS_LANE_MERGE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace causeway {

// The order is (timestamp, lane id); within a lane timestamps never go back. For each lane there is
// either its next frame, or a watermark: a time before which none of its frames to come was
// committed. The least of all of these is the front. If that is a frame, it is next: no lane can
// come up with an earlier one. If it is a watermark, the lane's next frame or a later watermark has
// to be found out first.
//
// A heap: a step costs the logarithm of the number of lanes.
class LaneMerge {
 public:
  // One of the lanes, from Add() to Remove().
  using Slot = uint32_t;

  struct Front {
    Slot slot = 0;
    bool has_frame = false;
    uint64_t time = 0;  // timestamp of the frame, or the watermark
  };

  // A lane of which nothing is known: watermark 0. Linear, as Remove().
  Slot Add(uint64_t lane_id);
  void Remove(Slot slot);

  bool empty() const { return heap_.empty(); }
  size_t frames() const { return frames_; }  // lanes that have one
  bool HasFrame(Slot slot) const { return lanes_[slot].has_frame; }

  // There must be a lane.
  Front front() const;

  // The lane's next frame has been found. It must have none. A timestamp before its watermark (one
  // that was set on suspicion) is allowed: then the frame may be late.
  void SetFrame(Slot slot, uint64_t timestamp);

  // The frame is given: its lane has none, and the timestamp is its watermark. True if it is late:
  // one that follows it in the order was given before.
  bool Take(Slot slot);

  // The frame was lost before it could be given.
  void DropFrame(Slot slot);

  // Raises the watermark of a lane that has no frame; a lower one changes nothing.
  void RaiseWatermark(Slot slot, uint64_t time);

 private:
  struct Key {
    uint64_t time = 0;
    uint64_t lane_id = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct Lane {
    Key key;
    bool has_frame = false;
    uint32_t place = 0;  // in heap_
  };

  const Key& KeyAt(size_t place) const { return lanes_[heap_[place]].key; }
  void Put(size_t place, Slot slot);
  void SiftDown(size_t place);
  void SiftUp(size_t place);

  std::vector<Lane> lanes_;  // by slot
  std::vector<Slot> free_;
  std::vector<Slot> heap_;  // the front first
  size_t frames_ = 0;
  Key last_given_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_LANE_MERGE_H_
