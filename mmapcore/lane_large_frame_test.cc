// The longest frame there can be. Needs more than 1 GiB of memory, so it is not among the tests
// that run by themselves.

#include <cstdint>
#include <cstring>
#include <memory>

#include "gtest/gtest.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::TestLane;

TEST(LaneLargeFrame, OfOneGibibytePassesWhole) {
  TestLane lane({.segment_bytes = 1 << 20,
                 .capacity_bytes = uint64_t{3} << 29,
                 .max_frame_bytes = kMaxFrameBytes});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_EQ(lane.writer().TryClaim(kMaxFrameBytes + 1).refusal, Refusal::kTooLarge);
  EXPECT_EQ(lane.writer().TryClaim(kMaxFrameBytes).refusal, Refusal::kFull);  // Asks for room.
  const Claim claim = lane.writer().TryClaim(kMaxFrameBytes);
  ASSERT_TRUE(claim);
  std::memset(claim.data, 0x5A, claim.length);
  ASSERT_TRUE(lane.writer().Commit(claim.length));
  ASSERT_EQ(lane.writer().TryWrite({}), Refusal::kNone);
  const FrameView frame = reader->TryNext();
  ASSERT_TRUE(frame) << reader->status();
  ASSERT_EQ(frame.size, kMaxFrameBytes);
  // All bytes are equal.
  EXPECT_EQ(frame.data[0], std::byte{0x5A});
  EXPECT_EQ(std::memcmp(frame.data, frame.data + 1, frame.size - 1), 0);
  EXPECT_TRUE(reader->TryNext());
}

}  // namespace
}  // namespace causeway
