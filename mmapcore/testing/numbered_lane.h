// A TestLane of numbered frames, and the count of what a reader sees and misses of them.

#ifndef CAUSEWAY_MMAPCORE_TESTING_NUMBERED_LANE_H_
#define CAUSEWAY_MMAPCORE_TESTING_NUMBERED_LANE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway::testing {

inline constexpr size_t kLength = 1000;
inline constexpr uint64_t kFramesPerSegment = 4;  // of 8 KiB

// Numbered frames of kLength bytes: the payload follows from the number.
class NumberedLane : public TestLane {
 public:
  using TestLane::TestLane;

  void Write(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      ASSERT_EQ(writer().TryWrite(PatternFrame(written_, kLength)), Refusal::kNone) << written_;
      positions_.push_back(writer().head() - FrameSpan(kLength));
      ++written_;
    }
  }

  uint64_t written() const { return written_; }
  uint64_t position(uint64_t number) const { return positions_.at(number); }

 private:
  uint64_t written_ = 0;
  std::vector<uint64_t> positions_;
};

// Reads until there is nothing; every frame must be the next one, or lie behind a gap that counts
// it.
struct Read {
  uint64_t next = 0;    // number of the next frame
  uint64_t frames = 0;  // seen whole
  uint64_t missed = 0;
  uint64_t gaps = 0;

  ReadState All(LaneReader& reader) {
    for (int i = 0; i < 100'000; ++i) {
      const FrameView frame = reader.TryNext();
      if (frame.state == ReadState::kGap) {
        EXPECT_GT(reader.gap().frames, 0u);
        EXPECT_GT(reader.gap().end, reader.gap().begin);
        EXPECT_EQ(frame.position, reader.gap().begin);
        next += reader.gap().frames;
        missed += reader.gap().frames;
        ++gaps;
        continue;
      }
      if (!frame) return frame.state;
      EXPECT_TRUE(IsPatternFrame(next, frame.payload())) << next;
      EXPECT_TRUE(reader.StillValid(frame));
      EXPECT_TRUE(reader.Release());
      ++next;
      ++frames;
    }
    ADD_FAILURE() << "endless lane";
    return ReadState::kNothing;
  }
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_NUMBERED_LANE_H_
