#include "control/extents/extent_allocator.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kCapacity = 64 * kPage;

ExtentAllocator NewAllocator(uint64_t capacity = kCapacity) {
  return *ExtentAllocator::Create(capacity, kPage);
}

void ExpectStatsEqual(const ExtentStats& got, const ExtentStats& want) {
  EXPECT_EQ(got.capacity, want.capacity);
  EXPECT_EQ(got.live_bytes, want.live_bytes);
  EXPECT_EQ(got.free_bytes, want.free_bytes);
  EXPECT_EQ(got.largest_free, want.largest_free);
  EXPECT_EQ(got.live_extents, want.live_extents);
  EXPECT_EQ(got.free_ranges, want.free_ranges);
  EXPECT_EQ(got.high_water_end, want.high_water_end);
}

void ExpectError(const absl::Status& status, absl::StatusCode code, const std::string& text) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

TEST(ExtentAllocator, BeginsFreeAndEndsFree) {
  ExtentAllocator allocator = NewAllocator();
  const ExtentStats empty = allocator.Stats();
  ExpectStatsEqual(empty, {.capacity = kCapacity,
                           .free_bytes = kCapacity,
                           .largest_free = kCapacity,
                           .free_ranges = 1});
  EXPECT_EQ(allocator.Allocate(kCapacity).value(), 0u);
  ExpectStatsEqual(allocator.Stats(), {.capacity = kCapacity,
                                       .live_bytes = kCapacity,
                                       .live_extents = 1,
                                       .high_water_end = kCapacity});
  EXPECT_EQ(allocator.Free(0, kCapacity), absl::OkStatus());
  ExpectStatsEqual(allocator.Stats(), empty);
}

TEST(ExtentAllocator, TakesTheShortestRangeThatFitsAndTheLowestOfEqualOnes) {
  ExtentAllocator allocator = NewAllocator();
  // Free ranges: 4 pages at 0, 2 pages at 5, 2 pages at 8, 3 pages at 11, the rest from 15.
  for (const uint64_t page : {4, 7, 10, 14}) {
    ASSERT_EQ(allocator.Reserve(page * kPage, kPage), absl::OkStatus());
  }
  EXPECT_EQ(allocator.Allocate(2 * kPage).value(), 5 * kPage);
  EXPECT_EQ(allocator.Allocate(2 * kPage).value(), 8 * kPage);
  EXPECT_EQ(allocator.Allocate(2 * kPage).value(), 11 * kPage);
  EXPECT_EQ(allocator.Allocate(kPage).value(), 13 * kPage);
  EXPECT_EQ(allocator.Allocate(5 * kPage).value(), 15 * kPage);
  EXPECT_EQ(allocator.Allocate(4 * kPage).value(), 0u);
}

TEST(ExtentAllocator, JoinsAFreedExtentWithBothNeighbours) {
  ExtentAllocator allocator = NewAllocator(3 * kPage);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(allocator.Allocate(kPage).ok());
  ASSERT_EQ(allocator.Free(0, kPage), absl::OkStatus());
  ASSERT_EQ(allocator.Free(2 * kPage, kPage), absl::OkStatus());
  EXPECT_EQ(allocator.Stats().free_ranges, 2u);
  ASSERT_EQ(allocator.Free(kPage, kPage), absl::OkStatus());
  EXPECT_EQ(allocator.Stats().free_ranges, 1u);
  EXPECT_EQ(allocator.Stats().largest_free, 3 * kPage);
}

TEST(ExtentAllocator, AlignsWithoutLosingWhatItSkips) {
  ExtentAllocator allocator = NewAllocator();
  ASSERT_EQ(allocator.Allocate(kPage).value(), 0u);
  EXPECT_EQ(allocator.Allocate(16 * kPage, 16 * kPage).value(), 16 * kPage);
  EXPECT_EQ(allocator.Stats().free_ranges, 2u);
  EXPECT_EQ(allocator.Allocate(15 * kPage).value(), kPage);
  // 32 pages are left, of which only the start is a multiple of 32.
  EXPECT_EQ(allocator.Allocate(kPage, 32 * kPage).value(), 32 * kPage);
  ExpectError(allocator.Allocate(kPage, uint64_t{1} << 63).status(),
              absl::StatusCode::kResourceExhausted, "aligned to 9223372036854775808");
}

TEST(ExtentAllocator, PassesOverRangesThatOnlyTheAlignmentRulesOut) {
  ExtentAllocator allocator = NewAllocator();
  ASSERT_EQ(allocator.Reserve(0, kPage), absl::OkStatus());
  ASSERT_EQ(allocator.Reserve(3 * kPage, kPage), absl::OkStatus());  // [1, 3) stays free
  EXPECT_EQ(allocator.Allocate(2 * kPage, 2 * kPage).value(), 4 * kPage);
  EXPECT_EQ(allocator.Allocate(2 * kPage).value(), kPage);
}

TEST(ExtentAllocator, SaysWhatIsNeededAndWhatIsFreeWhenFull) {
  ExtentAllocator allocator = NewAllocator(4 * kPage);
  ASSERT_EQ(allocator.Reserve(kPage, kPage), absl::OkStatus());
  const absl::Status status = allocator.Allocate(3 * kPage).status();
  ExpectError(status, absl::StatusCode::kResourceExhausted, "no room for 12288 contiguous bytes");
  ExpectError(status, absl::StatusCode::kResourceExhausted,
              "of the capacity of 16384 bytes, 12288 are free, at most 8192 in one piece");
  EXPECT_FALSE(allocator.Allocate(uint64_t{0} - kPage).ok());
}

TEST(ExtentAllocator, RebuildsFromReservationsInAnyOrder) {
  ExtentAllocator first = NewAllocator();
  uint64_t offsets[4];
  for (uint64_t i = 0; i < 4; ++i) offsets[i] = *first.Allocate((i + 1) * kPage);
  ASSERT_EQ(first.Free(offsets[1], 2 * kPage), absl::OkStatus());

  ExtentAllocator second = NewAllocator();
  for (const uint64_t i : {3, 0, 2}) {
    ASSERT_EQ(second.Reserve(offsets[i], (i + 1) * kPage), absl::OkStatus());
  }
  ExpectStatsEqual(second.Stats(), first.Stats());
  EXPECT_EQ(second.Allocate(kPage).value(), first.Allocate(kPage).value());
}

TEST(ExtentAllocator, GrowsByJoiningTheLastFreeRange) {
  ExtentAllocator allocator = NewAllocator(0);
  ExpectError(allocator.Allocate(kPage).status(), absl::StatusCode::kResourceExhausted,
              "capacity of 0 bytes");
  ASSERT_EQ(allocator.Grow(2 * kPage), absl::OkStatus());
  ASSERT_EQ(allocator.Allocate(kPage).value(), 0u);
  ASSERT_EQ(allocator.Grow(4 * kPage), absl::OkStatus());
  EXPECT_EQ(allocator.Stats().free_ranges, 1u);
  EXPECT_EQ(allocator.Allocate(3 * kPage).value(), kPage);
  ASSERT_EQ(allocator.Grow(4 * kPage), absl::OkStatus());
  ASSERT_EQ(allocator.Grow(ExtentAllocator::kMaxCapacity), absl::OkStatus());
}

TEST(ExtentAllocator, RefusesCapacitiesThatAreNone) {
  using Code = absl::StatusCode;
  ExpectError(ExtentAllocator::Create(0, 0).status(), Code::kInvalidArgument, "power of two: 0");
  ExpectError(ExtentAllocator::Create(0, 4095).status(), Code::kInvalidArgument, "4095");
  ExpectError(ExtentAllocator::Create(4097, kPage).status(), Code::kInvalidArgument, "4097");
  ExpectError(ExtentAllocator::Create(uint64_t{0} - kPage, kPage).status(), Code::kOutOfRange,
              "18446744073709547520");
  ExtentAllocator allocator = NewAllocator();
  ExpectError(allocator.Grow(kCapacity - kPage), Code::kInvalidArgument, "at least the present");
  ExpectError(allocator.Grow(kCapacity + 1), Code::kInvalidArgument, "262145");
  EXPECT_EQ(allocator.Stats().capacity, kCapacity);
}

// Row by row what a confused or hostile caller may pass. One extent is live: pages 4 to 7.
struct HostileRange {
  const char* title;
  uint64_t offset;
  uint64_t length;
  absl::StatusCode reserve;
  absl::StatusCode free;
};

class HostileRanges : public testing::TestWithParam<HostileRange> {};

TEST_P(HostileRanges, AreRefusedWithTheirValuesAndChangeNothing) {
  const HostileRange& range = GetParam();
  ExtentAllocator allocator = NewAllocator();
  ASSERT_EQ(allocator.Reserve(4 * kPage, 4 * kPage), absl::OkStatus());
  const ExtentStats before = allocator.Stats();
  const std::string values =
      "offset " + std::to_string(range.offset) + ", length " + std::to_string(range.length);
  ExpectError(allocator.Reserve(range.offset, range.length), range.reserve, values);
  ExpectError(allocator.Free(range.offset, range.length), range.free, values);
  ExpectStatsEqual(allocator.Stats(), before);
  // What is free and what is live is as it was, too.
  EXPECT_EQ(allocator.Reserve(0, 4 * kPage), absl::OkStatus());
  EXPECT_EQ(allocator.Reserve(8 * kPage, kCapacity - 8 * kPage), absl::OkStatus());
  EXPECT_EQ(allocator.Free(4 * kPage, 4 * kPage), absl::OkStatus());
}

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kOutside = absl::StatusCode::kOutOfRange;

INSTANTIATE_TEST_SUITE_P(
    Rows, HostileRanges,
    testing::Values(
        HostileRange{"Empty", 0, 0, kInvalid, kInvalid},
        HostileRange{"EmptyAtALiveExtent", 4 * kPage, 0, kInvalid, kInvalid},
        HostileRange{"UnalignedOffset", 1, kPage, kInvalid, kInvalid},
        HostileRange{"UnalignedLength", 0, kPage - 1, kInvalid, kInvalid},
        HostileRange{"LastPageOf64Bits", uint64_t{0} - kPage, kPage, kOutside, kOutside},
        HostileRange{"WrapsToZero", uint64_t{0} - kPage, 2 * kPage, kOutside, kOutside},
        HostileRange{"WrapsIntoALiveExtent", 5 * kPage, uint64_t{0} - kPage, kOutside, kOutside},
        HostileRange{"WholeAddressSpace", 0, uint64_t{0} - kPage, kOutside, kOutside},
        HostileRange{"AllOnes", UINT64_MAX, UINT64_MAX, kInvalid, kInvalid},
        HostileRange{"BeginsAtTheEnd", kCapacity, kPage, kOutside, kOutside},
        HostileRange{"EndsOnePageBeyond", kCapacity - kPage, 2 * kPage, kOutside, kOutside},
        HostileRange{"OverlapsTheStart", 3 * kPage, 2 * kPage, kInvalid, kInvalid},
        HostileRange{"OverlapsTheEnd", 7 * kPage, 2 * kPage, kInvalid, kInvalid},
        HostileRange{"WithinALiveExtent", 5 * kPage, kPage, kInvalid, kInvalid},
        HostileRange{"HeadOfALiveExtent", 4 * kPage, kPage, kInvalid, kInvalid},
        HostileRange{"AroundALiveExtent", 2 * kPage, 10 * kPage, kInvalid, kInvalid}),
    [](const auto& info) { return std::string(info.param.title); });

TEST(ExtentAllocator, RefusesToFreeTwice) {
  ExtentAllocator allocator = NewAllocator();
  ASSERT_EQ(allocator.Allocate(kPage).value(), 0u);
  ASSERT_EQ(allocator.Allocate(kPage).value(), kPage);
  ASSERT_EQ(allocator.Free(0, kPage), absl::OkStatus());
  ExpectError(allocator.Free(0, kPage), kInvalid, "it touches no live extent");
  ExpectError(allocator.Free(0, 2 * kPage), kInvalid,
              "it touches the live extent (offset 4096, length 4096)");
}

TEST(ExtentAllocator, RefusesLengthsAndAlignmentsThatAreNone) {
  ExtentAllocator allocator = NewAllocator();
  ExpectError(allocator.Allocate(0).status(), kInvalid, "but is 0");
  ExpectError(allocator.Allocate(1).status(), kInvalid, "multiple of 4096 bytes, but is 1");
  ExpectError(allocator.Allocate(UINT64_MAX).status(), kInvalid, "18446744073709551615");
  ExpectError(allocator.Allocate(kPage, kPage / 2).status(), kInvalid, "but is 2048");
  ExpectError(allocator.Allocate(kPage, 3 * kPage).status(), kInvalid, "but is 12288");
}

}  // namespace
}  // namespace causeway
