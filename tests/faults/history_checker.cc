#include "tests/faults/history_checker.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace causeway::faults {
namespace {

// Beyond this, one broken run says nothing new.
constexpr size_t kMaxViolations = 100;

uint64_t PositionOf(const std::vector<uint64_t>& positions, uint64_t number) {
  return number < positions.size() ? positions[number] : HistoryChecker::kUnknownPosition;
}

}  // namespace

HistoryChecker::HistoryChecker(std::string name, ReaderPolicy policy)
    : name_(std::move(name)), policy_(policy) {}

HistoryChecker::Lane& HistoryChecker::Find(uint64_t lane_id) {
  Lane& lane = lanes_[lane_id];
  lane.met = true;
  if (lane.next_at_end.has_value()) Violate(lane_id, "something came after the lane's end");
  return lane;
}

void HistoryChecker::Violate(uint64_t lane_id, const std::string& what) {
  if (violations_.size() >= kMaxViolations) return;
  violations_.push_back(absl::StrCat(name_, ", lane ", lane_id, ": ", what));
}

void HistoryChecker::ExpectFromStart(uint64_t lane_id) {
  Lane& lane = lanes_[lane_id];
  if (lane.next.value_or(0) != 0) return;
  lane.from_start = true;
  lane.next = 0;
}

void HistoryChecker::Frame(const ReadFrame& frame) {
  const uint64_t id = frame.lane_id;
  Lane& lane = Find(id);
  ++frames_;
  if (!frame.whole) {
    return Violate(id, absl::StrFormat("a torn frame at position %d, %d bytes, expected number %d",
                                       frame.position, frame.bytes, lane.next.value_or(0)));
  }
  if (frame.stated_lane_id != id) {
    return Violate(id, absl::StrFormat("frame %d of lane %d at position %d", frame.number,
                                       frame.stated_lane_id, frame.position));
  }
  if ((frame.number & kNeverCommitted) != 0) {
    return Violate(id, absl::StrFormat("a frame at position %d that was given back: %d",
                                       frame.position, frame.number ^ kNeverCommitted));
  }
  if (frame.bytes != frame.stated_bytes) {
    Violate(id, absl::StrFormat("frame %d has %d bytes; %d were committed", frame.number,
                                frame.bytes, frame.stated_bytes));
  }
  const uint64_t expected = lane.next.value_or(frame.number);
  if (frame.number < expected) {
    Violate(id, absl::StrFormat("frame %d came again or late: %d was the next", frame.number,
                                expected));
  } else if (frame.number > expected) {
    Violate(id, absl::StrFormat("frames %d to %d are missing%s", expected, frame.number - 1,
                                lane.after_gap ? ": the gap before has a wrong count" : ""));
  }
  if (frame.position < lane.end_position) {
    Violate(id, absl::StrFormat("frame %d has position %d, and what came before reaches to %d",
                                frame.number, frame.position, lane.end_position));
  }
  if (lane.positions.size() <= frame.number) {
    lane.positions.resize(frame.number + 1, kUnknownPosition);
  }
  lane.positions[frame.number] = frame.position;
  lane.next = frame.number + 1;
  lane.end_position = frame.position + frame.bytes;
  lane.after_gap = false;
}

void HistoryChecker::Gap(const ReadGap& gap) {
  const uint64_t id = gap.lane_id;
  Lane& lane = Find(id);
  ++gaps_;
  if (policy_ != ReaderPolicy::kDrop) {
    Violate(id, absl::StrFormat("a gap at position %d; this reader is not to miss anything",
                                gap.begin));
  }
  if (gap.frames == 0 || gap.begin >= gap.end) {
    Violate(id, absl::StrFormat("an empty gap: positions %d to %d, %d frames", gap.begin, gap.end,
                                gap.frames));
  }
  if (gap.begin < lane.end_position) {
    Violate(id, absl::StrFormat("a gap from position %d; what came before it reaches to %d",
                                gap.begin, lane.end_position));
  }
  lane.gaps.push_back({gap, lane.next.value_or(0)});
  // A reader that began in the middle cannot tell which frames those were.
  if (lane.next.has_value()) lane.next = *lane.next + gap.frames;
  lane.end_position = gap.end;
  lane.after_gap = true;
}

void HistoryChecker::End() {
  for (auto& [id, lane] : lanes_) {
    if (lane.met && !lane.next_at_end.has_value()) lane.next_at_end = lane.next.value_or(0);
  }
}

void HistoryChecker::Lost(uint64_t lane_id, uint64_t position) {
  Violate(lane_id, absl::StrFormat("cannot be read on from position %d", position));
}

bool HistoryChecker::Complete(const CommittedLane& lane) const {
  const auto seen = lanes_.find(lane.lane_id);
  if (seen == lanes_.end() || !seen->second.next.has_value()) return true;
  return *seen->second.next >= lane.committed;
}

void HistoryChecker::Judge(const CommittedLane& lane, bool must_be_complete,
                           const std::vector<uint64_t>& positions) {
  const auto found = lanes_.find(lane.lane_id);
  if (found == lanes_.end()) return;
  const Lane seen = std::move(found->second);
  lanes_.erase(found);
  const uint64_t id = lane.lane_id;
  if (seen.next.value_or(0) > lane.begun) {
    Violate(id, absl::StrFormat("%d frames were given; the commit of only %d was begun", *seen.next,
                                lane.begun));
  }
  if (seen.next_at_end.has_value()) {
    if (!lane.ended) Violate(id, "its end was told, and its writer goes on");
    if (seen.next.has_value() && *seen.next_at_end < lane.committed) {
      Violate(id, absl::StrFormat("its end was told after frame %d, and %d were committed",
                                  *seen.next_at_end, lane.committed));
    }
  }
  if (must_be_complete && seen.next.has_value() && *seen.next < lane.committed) {
    Violate(id, absl::StrFormat("frames %d to %d never came", *seen.next, lane.committed - 1));
  }
  CheckGaps(lane, seen, positions);
}

void HistoryChecker::CheckGaps(const CommittedLane& lane, const Lane& seen,
                               const std::vector<uint64_t>& positions) {
  if (!seen.from_start) return;
  for (const auto& [gap, first] : seen.gaps) {
    for (uint64_t number = first; number < first + gap.frames && number < lane.begun; ++number) {
      const uint64_t position = PositionOf(positions, number);
      if (position == kUnknownPosition) continue;
      if (position < gap.begin || position >= gap.end) {
        Violate(lane.lane_id, absl::StrFormat("a gap from %d to %d, of frames %d to %d; but frame "
                                              "%d lies at %d",
                                              gap.begin, gap.end, first, first + gap.frames - 1,
                                              number, position));
      }
    }
    const uint64_t next = PositionOf(positions, first + gap.frames);
    if (next != kUnknownPosition && next < gap.end) {
      Violate(lane.lane_id,
              absl::StrFormat("a gap from %d to %d, of frames %d to %d, also covers "
                              "the next one, at %d",
                              gap.begin, gap.end, first, first + gap.frames - 1, next));
    }
  }
}

const std::vector<uint64_t>& HistoryChecker::positions(uint64_t lane_id) const {
  static const std::vector<uint64_t> none;
  const auto lane = lanes_.find(lane_id);
  return lane == lanes_.end() ? none : lane->second.positions;
}

}  // namespace causeway::faults
