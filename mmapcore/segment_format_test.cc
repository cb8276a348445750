#include "mmapcore/segment_format.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr PageIdentity kIdentity = {.kind = PageKind::kSegment,
                                    .lane = {.stream_id = 1, .lane_id = 2, .epoch = 3},
                                    .offset = 0x10000,
                                    .length = 0x8000};

TEST(HeaderWord, IsNeverZeroWhenAFrameIsCommitted) {
  for (uint64_t generation = 0; generation < 70000; ++generation) {
    ASSERT_NE(EncodeHeaderWord(0, FrameMark(FrameKind::kData, generation)), 0u);
    ASSERT_NE(EncodeHeaderWord(0, FrameMark(FrameKind::kEnd, generation)), 0u);
  }
}

TEST(HeaderWord, HasAnotherTagInEachOf65536Generations) {
  std::set<uint32_t> marks;
  for (uint64_t generation = 5; generation < 5 + 65536; ++generation) {
    marks.insert(FrameMark(FrameKind::kData, generation));
  }
  EXPECT_EQ(marks.size(), 65536u);
}

TEST(HeaderWord, KeepsLengthAndMark) {
  const uint32_t mark = FrameMark(FrameKind::kData, 77);
  const HeaderWordFields fields = DecodeHeaderWord(EncodeHeaderWord(kMaxFrameBytes, mark));
  EXPECT_EQ(fields.length, kMaxFrameBytes);
  EXPECT_EQ(fields.mark, mark);
}

TEST(FrameSpan, OfASmallFrameIsAPowerOfTwo) {
  EXPECT_EQ(FrameSpan(0), 8u);
  EXPECT_EQ(FrameSpan(1), 16u);
  EXPECT_EQ(FrameSpan(8), 16u);
  EXPECT_EQ(FrameSpan(9), 32u);
  EXPECT_EQ(FrameSpan(24), 32u);
  EXPECT_EQ(FrameSpan(25), 64u);
  EXPECT_EQ(FrameSpan(56), 64u);
}

TEST(FrameSpan, OfALongerFrameIsTheHeaderWordAndThePayloadInWholeWords) {
  EXPECT_EQ(FrameSpan(57), 72u);
  EXPECT_EQ(FrameSpan(64), 72u);
  EXPECT_EQ(FrameSpan(65), 80u);
  EXPECT_EQ(FrameSpan(kMaxFrameBytes), kMaxFrameBytes + 8);
  // What a hostile header word may say does not wrap.
  EXPECT_EQ(FrameSpan(UINT32_MAX), (uint64_t{1} << 32) + 8);
}

TEST(ReadPage, ReturnsWhatWasPublished) {
  SegmentHeader segment{};
  PublishPage(kIdentity, segment.page);
  const absl::StatusOr<PageIdentity> found = ReadPage(segment.page, kIdentity, "lane");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->lane, kIdentity.lane);
  EXPECT_EQ(found->offset, kIdentity.offset);
  EXPECT_EQ(found->length, kIdentity.length);
}

TEST(ReadPage, TakesAnyLengthIfNoneIsExpected) {
  SegmentHeader segment{};
  PublishPage(kIdentity, segment.page);
  PageIdentity expected = kIdentity;
  expected.length = 0;
  const absl::StatusOr<PageIdentity> found = ReadPage(segment.page, expected, "lane");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->length, kIdentity.length);
}

TEST(ReadPage, OfAPageOfZerosIsUnavailable) {
  SegmentHeader segment{};
  EXPECT_FALSE(IsPublished(segment.page));
  EXPECT_THAT(ReadPage(segment.page, kIdentity, "lane"), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ReadPage, RefusesAnotherVersionByName) {
  SegmentHeader segment{};
  PublishPage(kIdentity, segment.page);
  for (const uint32_t other : {kFormatVersion - 1, kFormatVersion + 1}) {
    segment.page.version.StoreRelaxed(other);
    EXPECT_THAT(ReadPage(segment.page, kIdentity, "/data/lane"),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr("/data/lane"),
                               HasSubstr(absl::StrCat("format version ", other, ",")),
                               HasSubstr(absl::StrCat("reads version ", kFormatVersion)))));
  }
}

TEST(ReadPage, RefusesAnotherLayout) {
  SegmentHeader segment{};
  PublishPage(kIdentity, segment.page);
  segment.page.layout_hash.StoreRelaxed(kLayoutHash + 1);
  EXPECT_THAT(ReadPage(segment.page, kIdentity, "lane"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(ReadPage, FindsAnyChangedBit) {
  for (size_t byte = 0; byte < offsetof(PageHeader, reserved); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      SegmentHeader segment{};
      PublishPage(kIdentity, segment.page);
      reinterpret_cast<unsigned char*>(&segment)[byte] ^= static_cast<unsigned char>(1 << bit);
      ASSERT_FALSE(ReadPage(segment.page, kIdentity, "lane").ok())
          << "byte " << byte << ", bit " << bit;
    }
  }
}

TEST(ReadPage, RefusesWhatIsValidButSomebodyElses) {
  PageIdentity others[] = {kIdentity, kIdentity, kIdentity, kIdentity, kIdentity, kIdentity};
  others[0].kind = PageKind::kLane;
  others[1].lane.stream_id = 9;
  others[2].lane.lane_id = 9;
  others[3].lane.epoch = 9;
  others[4].reader_id = 9;
  others[5].offset = 0x20000;
  for (const PageIdentity& other : others) {
    SegmentHeader segment{};
    PublishPage(other, segment.page);
    EXPECT_THAT(ReadPage(segment.page, kIdentity, "lane"), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(ReadPage, NamesFileOffsetAndValues) {
  PageIdentity other = kIdentity;
  other.lane.epoch = 0xABC;
  SegmentHeader segment{};
  PublishPage(other, segment.page);
  EXPECT_THAT(ReadPage(segment.page, kIdentity, "/data/lane"),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("/data/lane"), HasSubstr("offset 65576"),
                             HasSubstr("epoch is 0xabc instead of 0x3"))));
}

TEST(CheckSegmentExtent, RefusesWhatCannotBeASegment) {
  EXPECT_THAT(CheckSegmentExtent(4096, 8192, "lane", 0), IsOk());
  EXPECT_THAT(CheckSegmentExtent(0, kMaxSegmentBytes, "lane", 0), IsOk());
  const struct {
    uint64_t offset;
    uint64_t length;
  } wrong[] = {{1, 8192},
               {4096, 8193},
               {4096, 0},
               {4096, 4096},
               {4096, kMaxSegmentBytes + 4096},
               {std::numeric_limits<uint64_t>::max() - 4095, 8192},
               {uint64_t{1} << 63, 8192},
               {(uint64_t{1} << 63) - 4096, 8192}};
  for (const auto& extent : wrong) {
    EXPECT_THAT(CheckSegmentExtent(extent.offset, extent.length, "lane", 0),
                StatusIs(absl::StatusCode::kDataLoss))
        << extent.offset << " " << extent.length;
  }
}

}  // namespace
}  // namespace causeway
