#include "agents/lane_merge.h"

#include <algorithm>

namespace causeway {

LaneMerge::Slot LaneMerge::Add(uint64_t lane_id) {
  Slot slot = static_cast<Slot>(lanes_.size());
  if (free_.empty()) {
    lanes_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  lanes_[slot] = {.key = {.time = 0, .lane_id = lane_id}};
  heap_.emplace_back();
  Put(heap_.size() - 1, slot);
  SiftUp(heap_.size() - 1);
  return slot;
}

void LaneMerge::Remove(Slot slot) {
  if (lanes_[slot].has_frame) --frames_;
  const size_t place = lanes_[slot].place;
  const Slot last = heap_.back();
  heap_.pop_back();
  free_.push_back(slot);
  if (last == slot) return;
  Put(place, last);
  SiftUp(place);
  SiftDown(lanes_[last].place);
}

LaneMerge::Front LaneMerge::front() const {
  const Slot slot = heap_.front();
  return {.slot = slot, .has_frame = lanes_[slot].has_frame, .time = lanes_[slot].key.time};
}

void LaneMerge::SetFrame(Slot slot, uint64_t timestamp) {
  Lane& lane = lanes_[slot];
  lane.has_frame = true;
  ++frames_;
  lane.key.time = timestamp;
  SiftUp(lane.place);
  SiftDown(lane.place);
}

bool LaneMerge::Take(Slot slot) {
  DropFrame(slot);
  const bool late = lanes_[slot].key < last_given_;
  last_given_ = std::max(last_given_, lanes_[slot].key);
  return late;
}

void LaneMerge::DropFrame(Slot slot) {
  lanes_[slot].has_frame = false;
  --frames_;
}

void LaneMerge::RaiseWatermark(Slot slot, uint64_t time) {
  Lane& lane = lanes_[slot];
  if (time <= lane.key.time) return;
  lane.key.time = time;
  SiftDown(lane.place);
}

void LaneMerge::Put(size_t place, Slot slot) {
  heap_[place] = slot;
  lanes_[slot].place = static_cast<uint32_t>(place);
}

void LaneMerge::SiftDown(size_t place) {
  const Slot slot = heap_[place];
  const Key key = lanes_[slot].key;
  while (true) {
    size_t child = 2 * place + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && KeyAt(child + 1) < KeyAt(child)) ++child;
    if (key < KeyAt(child)) break;
    Put(place, heap_[child]);
    place = child;
  }
  Put(place, slot);
}

void LaneMerge::SiftUp(size_t place) {
  const Slot slot = heap_[place];
  const Key key = lanes_[slot].key;
  while (place > 0) {
    const size_t parent = (place - 1) / 2;
    if (!(key < KeyAt(parent))) break;
    Put(place, heap_[parent]);
    place = parent;
  }
  Put(place, slot);
}

}  // namespace causeway
