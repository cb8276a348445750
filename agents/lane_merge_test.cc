#include "agents/lane_merge.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(LaneMerge, GivesTheEarliestFrameWhileEveryLaneHasOne) {
  LaneMerge merge;
  const LaneMerge::Slot a = merge.Add(1);
  const LaneMerge::Slot b = merge.Add(2);
  merge.SetFrame(a, 20);
  merge.SetFrame(b, 10);
  EXPECT_EQ(merge.front().slot, b);
  EXPECT_TRUE(merge.front().has_frame);
  EXPECT_FALSE(merge.Take(b));
  EXPECT_FALSE(merge.front().has_frame) << "lane 2 may have another one from 10 on";
  merge.SetFrame(b, 30);
  EXPECT_EQ(merge.front().slot, a);
  EXPECT_EQ(merge.frames(), 2u);
}

TEST(LaneMerge, ALaneOfWhichNothingIsKnownHoldsEverythingBack) {
  LaneMerge merge;
  merge.SetFrame(merge.Add(1), 20);
  const LaneMerge::Slot idle = merge.Add(2);
  EXPECT_EQ(merge.front().slot, idle);
  EXPECT_FALSE(merge.front().has_frame);
  merge.RaiseWatermark(idle, 19);
  EXPECT_FALSE(merge.front().has_frame);
  merge.RaiseWatermark(idle, 21);
  EXPECT_TRUE(merge.front().has_frame);
  merge.RaiseWatermark(idle, 5);
  EXPECT_TRUE(merge.front().has_frame) << "a watermark never falls";
}

TEST(LaneMerge, TiesAreBrokenByTheLaneId) {
  LaneMerge merge;
  const LaneMerge::Slot later = merge.Add(8);
  const LaneMerge::Slot earlier = merge.Add(7);
  merge.SetFrame(later, 5);
  merge.RaiseWatermark(earlier, 5);
  EXPECT_FALSE(merge.front().has_frame) << "lane 7 may still have a frame of time 5";
  merge.SetFrame(earlier, 5);
  EXPECT_EQ(merge.front().slot, earlier);
  EXPECT_FALSE(merge.Take(earlier));
  merge.RaiseWatermark(earlier, 6);
  EXPECT_EQ(merge.front().slot, later);
  EXPECT_FALSE(merge.Take(later));
}

TEST(LaneMerge, AFrameThatComesBehindASuspectedWatermarkIsLate) {
  LaneMerge merge;
  const LaneMerge::Slot a = merge.Add(1);
  const LaneMerge::Slot stopped = merge.Add(2);
  merge.SetFrame(a, 50);
  merge.RaiseWatermark(stopped, 60);
  EXPECT_FALSE(merge.Take(a));
  merge.SetFrame(a, 55);
  merge.SetFrame(stopped, 40);
  EXPECT_EQ(merge.front().slot, stopped) << "late frames come first";
  EXPECT_TRUE(merge.Take(stopped));
  merge.SetFrame(stopped, 70);
  EXPECT_FALSE(merge.Take(a));
  merge.Remove(a);
  EXPECT_FALSE(merge.Take(stopped));
}

TEST(LaneMerge, AFrameThatWasLostIsForgotten) {
  LaneMerge merge;
  const LaneMerge::Slot a = merge.Add(1);
  merge.SetFrame(a, 10);
  merge.DropFrame(a);
  EXPECT_EQ(merge.frames(), 0u);
  EXPECT_FALSE(merge.front().has_frame);
  merge.SetFrame(a, 30);
  EXPECT_EQ(merge.front().time, 30u);
  merge.Remove(a);
  EXPECT_EQ(merge.frames(), 0u);
  EXPECT_TRUE(merge.empty());
}

uint64_t Seed() {
  const char* const given = std::getenv("CAUSEWAY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device()();
}

// Lanes that come and go, whose frames are there at once, later, or only when their watermark has
// been raised several times: what comes out is what a sort gives.
TEST(LaneMerge, GivesWhatASortGives) {
  const uint64_t seed = Seed();
  SCOPED_TRACE(::testing::Message() << "CAUSEWAY_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    using Frame = std::pair<uint64_t, uint64_t>;  // timestamp, lane id
    LaneMerge merge;
    std::map<LaneMerge::Slot, uint64_t> ids;
    std::map<LaneMerge::Slot, std::deque<uint64_t>> waiting;
    std::vector<Frame> all;
    uint64_t next_id = 1;
    const auto add = [&](uint64_t from) {
      const uint64_t id = next_id++;
      const LaneMerge::Slot slot = merge.Add(id);
      ids[slot] = id;
      std::deque<uint64_t>& frames = waiting[slot];
      frames.clear();
      uint64_t time = from;
      for (uint64_t count = random() % 20; count > 0; --count) {
        time += random() % 4;  // Often the same as others'.
        frames.push_back(time);
        all.emplace_back(time, id);
      }
    };
    for (uint64_t lanes = 1 + random() % 8; lanes > 0; --lanes) add(1);
    std::vector<Frame> given;
    uint64_t latest = 0;
    while (!merge.empty()) {
      const LaneMerge::Front front = merge.front();
      std::deque<uint64_t>& frames = waiting.at(front.slot);
      if (front.has_frame) {
        EXPECT_FALSE(merge.Take(front.slot));
        given.emplace_back(front.time, ids.at(front.slot));
        latest = front.time;
        // A lane that opens now has only later frames.
        if (random() % 40 == 0 && next_id < 30) add(latest + 1);
      } else if (frames.empty()) {
        merge.Remove(front.slot);
      } else if (random() % 2 == 0 && front.time < frames.front()) {
        merge.RaiseWatermark(front.slot, front.time + 1 + random() % (frames.front() - front.time));
      } else {
        merge.SetFrame(front.slot, frames.front());
        frames.pop_front();
      }
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(given, all) << "round " << round;
  }
}

}  // namespace
}  // namespace causeway
