#include "control/state/stream_options.h"

#include <cstdint>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/page.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;

v1::StreamOptions Options(uint64_t segment_bytes, uint64_t capacity_bytes,
                          uint64_t max_frame_bytes) {
  v1::StreamOptions options;
  options.set_segment_bytes(segment_bytes);
  options.set_capacity_bytes(capacity_bytes);
  options.set_max_frame_bytes(max_frame_bytes);
  return options;
}

TEST(StreamOptions, ZerosBecomeTheDefaults) {
  const Limits limits;
  const auto whole = CompleteStreamOptions(v1::StreamOptions(), limits);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->durability(), v1::DURABILITY_MEMORY);
  EXPECT_EQ(whole->segment_bytes(), limits.default_segment_bytes);
  EXPECT_EQ(whole->capacity_bytes(), limits.default_capacity_bytes);
  EXPECT_EQ(whole->max_frame_bytes(), limits.default_max_frame_bytes);
}

TEST(StreamOptions, DefaultsBendToWhatIsGiven) {
  const Limits limits;
  auto whole = CompleteStreamOptions(Options(0, 16 * PageSize(), 0), limits);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->segment_bytes(), 4 * PageSize());
  EXPECT_EQ(SegmentBytesOfLargestFrame(*whole), 8 * PageSize());

  whole = CompleteStreamOptions(Options(0, 0, uint64_t{512} << 20), limits);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_GT(whole->capacity_bytes(), uint64_t{512} << 20) << "room for the frame asked for";

  whole = CompleteStreamOptions(Options(uint64_t{512} << 20, 0, 0), limits);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->capacity_bytes(), uint64_t{2} << 30);
}

TEST(StreamOptions, TheSmallestStreamHasTwoSegmentsOfTwoPages) {
  const uint64_t segment = SmallestSegmentBytes();
  const auto whole = CompleteStreamOptions(Options(segment, 2 * segment, 0), Limits());
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(SegmentBytesOfLargestFrame(*whole), segment);
}

TEST(StreamOptions, EveryRuleIsNamed) {
  const Limits limits;
  const auto refused = [&](const v1::StreamOptions& options, absl::StatusCode code,
                           const std::string& words) {
    const absl::Status status = CompleteStreamOptions(options, limits).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  };
  using absl::StatusCode;
  refused(Options(PageSize() + 1, 0, 0), StatusCode::kInvalidArgument, "not a multiple");
  refused(Options(0, PageSize() + 1, 0), StatusCode::kInvalidArgument, "not a multiple");
  refused(Options(PageSize(), 0, 0), StatusCode::kInvalidArgument, "less than");
  refused(Options(kMaxSegmentBytes + PageSize(), 0, 0), StatusCode::kInvalidArgument, "more than");
  refused(Options(0, 2 * PageSize(), 0), StatusCode::kInvalidArgument, "less than");
  refused(Options(0, uint64_t{1} << 40, 0), StatusCode::kResourceExhausted,
          "max_capacity_bytes_per_lane");
  refused(Options(0, 0, kMaxFrameBytes + 1), StatusCode::kInvalidArgument, "more than");
  refused(Options(8 * PageSize(), 8 * PageSize(), 0), StatusCode::kInvalidArgument, "two segments");
  refused(Options(2 * PageSize(), 8 * PageSize(), 8 * PageSize()), StatusCode::kInvalidArgument,
          "the longest possible frame");
  refused(Options(~uint64_t{0} - 4095, 0, 0), StatusCode::kInvalidArgument, "more than");
  v1::StreamOptions unknown;
  unknown.set_durability(static_cast<v1::Durability>(9));
  refused(unknown, StatusCode::kInvalidArgument, "durability 9");
  Limits small;
  small.max_frame_bytes = 100;
  EXPECT_EQ(CompleteStreamOptions(Options(0, 0, 101), small).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(CompleteStreamOptions(v1::StreamOptions(), small)->max_frame_bytes(), 100u);
}

TEST(StreamOptions, WhateverIsAcceptedHasRoomForItsLargestFrame) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const Limits limits;
  const auto any = [&]() -> uint64_t {
    if (random() % 3 == 0) return 0;
    const uint64_t value = random() >> (random() % 64);
    return random() % 4 == 0 ? value : RoundDownToPage(value);
  };
  int accepted = 0;
  for (int i = 0; i < 200000; ++i) {
    v1::StreamOptions asked = Options(any(), any(), any());
    asked.set_timestamps(random() % 2 == 0);
    const auto whole = CompleteStreamOptions(asked, limits);
    if (!whole.ok()) continue;
    ++accepted;
    EXPECT_TRUE(AgreesWith(asked, *whole));
    const uint64_t own = SegmentBytesOfLargestFrame(*whole);
    const uint64_t needed = 2 * whole->segment_bytes() + (own > whole->segment_bytes() ? own : 0);
    EXPECT_GE(whole->capacity_bytes(), needed) << whole->ShortDebugString();
    EXPECT_GE(whole->max_frame_bytes(), 1u);
    // Completing is done once and for all.
    const auto again = CompleteStreamOptions(*whole, limits);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->SerializeAsString(), whole->SerializeAsString());
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace causeway
