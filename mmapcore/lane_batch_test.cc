// Frames that become visible together, and are read together.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::PatternFrame;
using ::causeway::testing::ReadsPattern;
using ::causeway::testing::TestLane;
using ::causeway::testing::WritePattern;

// Stages a frame that ReadsPattern() knows.
bool StageFrame(LaneWriter& writer, uint64_t seed, size_t length) {
  const Claim claim = writer.TryClaim(length);
  if (!claim) return false;
  const std::vector<std::byte> payload = PatternFrame(seed, length);
  std::copy(payload.begin(), payload.end(), claim.data);
  return writer.Stage(length);
}

TEST(LaneBatch, ABatchBecomesVisibleAsAWhole) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(WritePattern(lane.writer(), 0, 10));
  for (uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(StageFrame(lane.writer(), i, 10 * i));
  EXPECT_TRUE(ReadsPattern(*reader, 0, 10));
  EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
  EXPECT_TRUE(lane.writer().CommitStaged());
  for (uint64_t i = 1; i <= 5; ++i) EXPECT_TRUE(ReadsPattern(*reader, i, 10 * i));
  EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
  EXPECT_EQ(lane.writer().counters().frames, 6u);
  EXPECT_TRUE(lane.writer().CommitStaged()) << "of nothing";
  EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
}

TEST(LaneBatch, WhatIsCommittedBehindABatchBecomesVisibleWithIt) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(StageFrame(lane.writer(), 1, 100));
  ASSERT_TRUE(WritePattern(lane.writer(), 2, 100));
  EXPECT_FALSE(reader->TryNext());
  lane.writer().CommitStaged();
  EXPECT_TRUE(ReadsPattern(*reader, 1, 100));
  EXPECT_TRUE(ReadsPattern(*reader, 2, 100));
}

TEST(LaneBatch, ABatchThatDoesNotFitTheSegmentBecomesVisibleInParts) {
  TestLane lane({.capacity_bytes = 8 * 8192, .initial_segments = 8});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(StageFrame(lane.writer(), i, 1000));
  for (uint64_t i = 0; i < 8; ++i) EXPECT_TRUE(ReadsPattern(*reader, i, 1000)) << i;
  EXPECT_FALSE(reader->TryNext());
  lane.writer().CommitStaged();
  for (uint64_t i = 8; i < 10; ++i) EXPECT_TRUE(ReadsPattern(*reader, i, 1000)) << i;
}

TEST(LaneBatch, ABatchIsVisibleBeforeAClaimIsRefused) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  uint64_t staged = 0;
  while (StageFrame(lane.writer(), staged, 1000)) ++staged;
  for (uint64_t i = 0; i < staged; ++i) ASSERT_TRUE(ReadsPattern(*reader, i, 1000));
}

TEST(LaneBatch, StagesNothingWithoutAClaimThatIsLongEnough) {
  TestLane lane;
  EXPECT_FALSE(lane.writer().Stage(0));
  ASSERT_TRUE(lane.writer().TryClaim(10));
  EXPECT_FALSE(lane.writer().Stage(11));
  EXPECT_TRUE(lane.writer().Stage(10));
  EXPECT_FALSE(lane.writer().Stage(10)) << "the claim is used up";
}

TEST(LaneBatch, ClosesBehindWhatIsStaged) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  ASSERT_TRUE(StageFrame(lane.writer(), 1, 100));
  lane.writer().Close();
  EXPECT_TRUE(ReadsPattern(*reader, 1, 100));
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
}

TEST(LaneBatch, ABatchIsReadAsAWhole) {
  TestLane lane({.capacity_bytes = 8 * 8192, .initial_segments = 8});
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(WritePattern(lane.writer(), i, 1000));
  FrameView frames[3];
  ReadState state = ReadState::kNothing;
  uint64_t read = 0;
  for (const size_t expected : {3, 1, 3, 1, 2}) {  // Four frames fill a segment.
    ASSERT_EQ(reader->TryNextBatch(frames, state), expected);
    for (size_t i = 0; i < expected; ++i) {
      EXPECT_TRUE(IsPatternFrame(read++, frames[i].payload()));
    }
  }
  EXPECT_EQ(reader->TryNextBatch(frames, state), 0u);
  EXPECT_EQ(state, ReadState::kNothing);
  EXPECT_EQ(reader->frames(), 10u);
  lane.writer().Close();
  EXPECT_EQ(reader->TryNextBatch(frames, state), 0u);
  EXPECT_EQ(state, ReadState::kEnded);
}

}  // namespace
}  // namespace causeway
