// Files that somebody truncates while a lane is in use.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/sigbus_guard.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::PatternFrame;
using ::causeway::testing::StatusIs;
using ::causeway::testing::TestLane;
using ::causeway::testing::WritePattern;
using ::testing::HasSubstr;

constexpr uint64_t kFirstSegment = 4096;
constexpr uint64_t kSecondSegment = 4096 + 8192;

// Reads on until there is no frame; bounded.
FrameView ReadAll(LaneReader& reader) {
  FrameView frame;
  for (int i = 0; i < 100000; ++i) {
    frame = reader.TryNext();
    if (!frame) return frame;
  }
  ADD_FAILURE() << "endless lane";
  return frame;
}

TEST(LaneWriter, ACursorFileThatWasTruncatedHoldsNothingAndIsCounted) {
  ASSERT_THAT(SigbusGuard::Install(), IsOk());
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  reader.reset();
  ASSERT_THAT(lane.cursor_file(1).Resize(0), IsOk());
  for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(WritePattern(lane.writer(), i, 1000));
  EXPECT_EQ(lane.writer().counters().bad_cursors, 1u);
}

TEST(LaneWriter, WhoseFileIsTruncatedSaysDamagedAndLives) {
  ASSERT_THAT(SigbusGuard::Install(), IsOk());
  TestLane lane;
  lane.writer();
  ASSERT_THAT(lane.lane_file().Resize(4096), IsOk());
  EXPECT_EQ(lane.writer().TryWrite(PatternFrame(1, 100)), Refusal::kDamaged);
  EXPECT_EQ(lane.writer().TryClaim(1).refusal, Refusal::kDamaged);
  EXPECT_THAT(lane.writer().status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lane")));
}

TEST(LaneReader, OfATruncatedFileSaysDamagedAndLives) {
  ASSERT_THAT(SigbusGuard::Install(), IsOk());
  for (const uint64_t size : {uint64_t{0}, uint64_t{4096}, kFirstSegment + 4096, kSecondSegment}) {
    SCOPED_TRACE(size);
    TestLane lane;
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(WritePattern(lane.writer(), i, 1000));
    ASSERT_TRUE(reader->TryNext());
    ASSERT_THAT(lane.lane_file().Resize(size), IsOk());
    const FrameView last = ReadAll(*reader);
    EXPECT_EQ(last.state, ReadState::kDamaged);
    EXPECT_THAT(reader->status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lane")));
  }
}

TEST(LaneReader, WhoseLanePageIsTruncatedBeforeItJoinsLives) {
  ASSERT_THAT(SigbusGuard::Install(), IsOk());
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_THAT(lane.lane_file().Resize(0), IsOk());
  EXPECT_FALSE(reader->TryNext());
  EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
}

}  // namespace
}  // namespace causeway
