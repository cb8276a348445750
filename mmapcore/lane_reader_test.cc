#include "mmapcore/lane_reader.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapping.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::PatternFrame;
using ::causeway::testing::StatusIs;
using ::causeway::testing::TestLane;
using ::testing::AllOf;
using ::testing::HasSubstr;

// The lane's file through a writable window of the test's own: somebody who damages it.
class Vandal {
 public:
  explicit Vandal(const MappedFile& file) {
    absl::StatusOr<Mapping> mapping =
        Mapping::MapWhole(file, {.protection = Protection::kReadWrite});
    if (!mapping.ok()) std::abort();
    mapping_ = *std::move(mapping);
  }

  std::byte* bytes() { return mapping_.mutable_data(); }
  uint64_t size() const { return mapping_.length(); }
  LanePage& lane_page() { return PageAt<LanePage>(bytes()); }
  SegmentHeader& segment(uint64_t offset) { return PageAt<SegmentHeader>(bytes() + offset); }
  SharedWord<uint64_t>& word(uint64_t offset) { return HeaderWordAt(bytes(), offset); }

 private:
  Mapping mapping_;
};

constexpr uint64_t kFirstSegment = 4096;
constexpr uint64_t kSecondSegment = 4096 + 8192;

void Write(LaneWriter& writer, uint64_t seed, size_t length) {
  ASSERT_EQ(writer.TryWrite(PatternFrame(seed, length)), Refusal::kNone);
}

// Reads on until there is no frame; bounded.
FrameView ReadAll(LaneReader& reader, int* frames = nullptr) {
  FrameView frame;
  for (int i = 0; i < 100000; ++i) {
    frame = reader.TryNext();
    if (!frame) return frame;
    if (frames != nullptr) ++*frames;
  }
  ADD_FAILURE() << "endless lane";
  return frame;
}

TEST(LaneReader, IsNotJoinedUntilTheWriterObeysItsCursor) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.OpenReader(1);
  EXPECT_EQ(reader->TryNext().state, ReadState::kNotJoined);  // There is no writer yet.
  Write(lane.writer(), 1, 10);
  EXPECT_EQ(reader->TryNext().state, ReadState::kNotJoined);
  EXPECT_FALSE(reader->Ready());
  lane.Admit(1);
  EXPECT_TRUE(reader->Ready());
  EXPECT_TRUE(reader->TryNext());
}

TEST(LaneReader, HoldsAFrameUntilTheNextCall) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  Write(lane.writer(), 1, 10);
  const FrameView frame = reader->TryNext();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame.position, kHeaderPageBytes);
  EXPECT_FALSE(lane.writer().Drained());
  reader->Release();
  EXPECT_TRUE(lane.writer().Drained());
  EXPECT_EQ(reader->position(), lane.writer().head());
}

TEST(LaneReader, GivesPositionsThatGrowAcrossSegments) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  uint64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    Write(lane.writer(), i, 500);
    const FrameView frame = reader->TryNext();
    ASSERT_TRUE(frame);
    EXPECT_GT(frame.position, last);
    last = frame.position;
  }
  EXPECT_EQ(reader->frames(), 1000u);
}

TEST(LaneReader, ReadsWhatADeadWriterCommittedAndThenSaysSo) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  Write(lane.writer(), 1, 10);
  // A frame that is filled in and not committed.
  const Claim claim = lane.writer().TryClaim(100);
  std::memset(claim.data, 0xAB, 100);
  reader->SetWriterGone(LaneEnd::kWriterDied);
  reader->SetWriterGone(LaneEnd::kClosed);  // The first cause counts.
  EXPECT_TRUE(reader->Ready());
  EXPECT_TRUE(reader->TryNext());
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
  EXPECT_EQ(reader->end(), LaneEnd::kWriterDied);
  EXPECT_FALSE(reader->Ready());
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
}

TEST(LaneReader, ReadsALaneWhoseWriterDiedBeforeItJoined) {
  TestLane lane;
  Write(lane.writer(), 1, 10);
  std::unique_ptr<LaneReader> reader = lane.OpenReader(1);
  reader->SetWriterGone(LaneEnd::kWriterDied);
  EXPECT_TRUE(reader->TryNext());
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
}

TEST(LaneReader, OfALaneThatNeverBeganEnds) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.OpenReader(1);
  reader->SetWriterGone(LaneEnd::kWriterDied);
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
  EXPECT_EQ(reader->end(), LaneEnd::kWriterDied);
}

TEST(LaneReader, DoesNotJoinAnEvictedWriterWhoMayStillWrite) {
  TestLane lane;
  Write(lane.writer(), 1, 10);
  std::unique_ptr<LaneReader> reader = lane.OpenReader(1);
  reader->SetWriterGone(LaneEnd::kWriterEvicted);
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
}

TEST(LaneReader, HoldsNothingOnceClosed) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  reader->Close();
  EXPECT_EQ(reader->TryNext().state, ReadState::kEnded);
  EXPECT_EQ(reader->end(), LaneEnd::kNotEnded);
  for (int i = 0; i < 100; ++i) Write(lane.writer(), i, 1000);
}

TEST(LaneReader, RefusesACursorPageThatServedBefore) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_THAT(LaneReader::Create(*lane.lane_file().OpenReadOnly(), 0, lane.cursor_file(1), 4096,
                                 {.identity = TestLane::kIdentity, .reader_id = 1}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(LaneReader, RefusesALaneOfAnotherEpoch) {
  TestLane lane;
  lane.writer();
  std::unique_ptr<LaneReader> other = lane.OpenReader(1);
  LaneIdentity identity = TestLane::kIdentity;
  identity.epoch += 1;
  EXPECT_THAT(LaneReader::Create(*lane.lane_file().OpenReadOnly(), 0, lane.cursor_file(1), 0,
                                 {.identity = identity, .reader_id = 1}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("epoch")));
}

TEST(LaneReader, ForgetsSegmentsBeyondItsBudgetAndReadsOn) {
  TestLane lane({.capacity_bytes = 8 * 8192, .initial_segments = 8});
  std::unique_ptr<LaneReader> first = lane.Join(1);
  std::unique_ptr<LaneReader> reader =
      *LaneReader::Create(*lane.lane_file().OpenReadOnly(), 0, lane.cursor_file(1), 0,
                          {.identity = TestLane::kIdentity,
                           .reader_id = 1,
                           .roster_version = 1,
                           .max_mapped_bytes = 8192});
  for (int round = 0; round < 20; ++round) {
    int frames = 0;
    for (int i = 0; i < 28; ++i) Write(lane.writer(), i, 1000);
    EXPECT_EQ(ReadAll(*first, &frames).state, ReadState::kNothing);
    EXPECT_EQ(frames, 28);
    frames = 0;
    EXPECT_EQ(ReadAll(*reader, &frames).state, ReadState::kNothing);
    EXPECT_EQ(frames, 28);
  }
}

// ---- Bytes that are not what they should be -----------------------------------------------------

struct Damage {
  std::string name;
  std::function<void(Vandal&)> inflict;
};

std::vector<Damage> DamagesBeforeJoining() {
  std::vector<Damage> damages;
  for (const uint64_t offset :
       {uint64_t{0}, uint64_t{1}, uint64_t{4095}, uint64_t{8192}, uint64_t{1} << 20,
        uint64_t{1} << 62, ~uint64_t{0}, ~uint64_t{0} - 4095, uint64_t{1} << 63}) {
    damages.push_back({absl::StrCat("oldest_offset ", offset), [offset](Vandal& vandal) {
                         vandal.lane_page().oldest_offset.StoreRelaxed(offset);
                       }});
  }
  // Any one byte of the two identities.
  for (const uint64_t page : {uint64_t{0}, kFirstSegment}) {
    for (size_t byte = 0; byte < offsetof(PageHeader, reserved); ++byte) {
      damages.push_back(
          {absl::StrCat("byte ", byte, " of the page at ", page),
           [page, byte](Vandal& vandal) { vandal.bytes()[page + byte] ^= std::byte{0x41}; }});
    }
  }
  damages.push_back({"segment not published", [](Vandal& vandal) {
                       vandal.segment(kFirstSegment).page.version.StoreRelaxed(0);
                     }});
  damages.push_back({"generation 0", [](Vandal& vandal) {
                       vandal.segment(kFirstSegment).generation.StoreRelaxed(0);
                     }});
  damages.push_back({"base position", [](Vandal& vandal) {
                       vandal.segment(kFirstSegment).base_position.StoreRelaxed(~uint64_t{0});
                     }});
  for (const uint64_t length :
       {uint64_t{0}, uint64_t{4096}, uint64_t{8191}, uint64_t{1} << 20, ~uint64_t{0}}) {
    damages.push_back(
        {absl::StrCat("a valid header with length ", length), [length](Vandal& vandal) {
           PublishPage({.kind = PageKind::kSegment,
                        .lane = TestLane::kIdentity,
                        .offset = kFirstSegment,
                        .length = length},
                       vandal.segment(kFirstSegment).page);
         }});
  }
  return damages;
}

TEST(LaneReader, RefusesToJoinWhatIsDamaged) {
  for (const Damage& damage : DamagesBeforeJoining()) {
    SCOPED_TRACE(damage.name);
    TestLane lane;
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    Vandal vandal(lane.lane_file());
    damage.inflict(vandal);
    EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
    EXPECT_FALSE(reader->status().ok());
    EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);  // For good.
  }
}

std::vector<Damage> DamagesWhileReading() {
  constexpr uint64_t kWord = kFirstSegment + kHeaderPageBytes;
  const uint32_t mark = FrameMark(FrameKind::kData, 1);
  std::vector<Damage> damages;
  const auto add_word = [&](const std::string& name, uint64_t word) {
    damages.push_back({name, [word](Vandal& vandal) { vandal.word(kWord).StoreRelaxed(word); }});
  };
  add_word("length beyond the segment", EncodeHeaderWord(4081, mark));
  add_word("length of 1 GiB", EncodeHeaderWord(kMaxFrameBytes, mark));
  add_word("the greatest length", EncodeHeaderWord(UINT32_MAX, mark));
  add_word("mark of the next generation", EncodeHeaderWord(8, FrameMark(FrameKind::kData, 2)));
  add_word("unknown kind", EncodeHeaderWord(8, mark + 7));
  add_word("unknown flag", EncodeHeaderWord(8, mark | 1 << 8));
  add_word("all ones", ~uint64_t{0});
  add_word("CLOSE with a length", EncodeHeaderWord(1, FrameMark(FrameKind::kClose, 1)));
  add_word("END with a length", EncodeHeaderWord(1, FrameMark(FrameKind::kEnd, 1)));
  add_word("END that leads nowhere", EncodeHeaderWord(0, FrameMark(FrameKind::kEnd, 1)));
  const auto add_next = [&](const std::string& name, uint64_t offset, uint64_t length) {
    damages.push_back({absl::StrCat("END to ", name), [=](Vandal& vandal) {
                         SegmentHeader& segment = vandal.segment(kFirstSegment);
                         segment.next_offset.StoreRelaxed(offset);
                         segment.next_length.StoreRelaxed(length);
                         vandal.word(kWord).StoreRelaxed(
                             EncodeHeaderWord(0, FrameMark(FrameKind::kEnd, 1)));
                       }});
  };
  add_next("itself", kFirstSegment, 8192);
  add_next("an unaligned place", kSecondSegment + 8, 8192);
  add_next("the lane page", 0, 8192);
  add_next("a place outside of the file", uint64_t{1} << 30, 8192);
  add_next("the end of the address space", ~uint64_t{0} - 8191, 8192);
  add_next("half a segment", kSecondSegment, 4096);
  add_next("a wrong length", kSecondSegment, 8192 + 4096);
  add_next("more than there can be", kSecondSegment, ~uint64_t{0} - 4095);
  add_next("a segment that was never used", kSecondSegment, 8192);
  return damages;
}

TEST(LaneReader, RefusesWordsThatAreNoFrame) {
  for (const Damage& damage : DamagesWhileReading()) {
    SCOPED_TRACE(damage.name);
    TestLane lane;
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    EXPECT_EQ(reader->TryNext().state, ReadState::kNothing);
    Vandal vandal(lane.lane_file());
    damage.inflict(vandal);
    EXPECT_TRUE(reader->Ready());
    EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
    EXPECT_THAT(reader->status(),
                StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("offset"))));
    EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);  // For good.
    // It holds nothing that would keep the writer from going on.
    for (int i = 0; i < 50; ++i) Write(lane.writer(), i, 1000);
  }
}

TEST(LaneReader, NamesFileAndOffsetOfTheDamage) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  Write(lane.writer(), 1, 1000);
  Vandal vandal(lane.lane_file());
  vandal.word(8192 + 1008).StoreRelaxed(0x0102030405060708);
  EXPECT_TRUE(reader->TryNext());
  EXPECT_EQ(reader->TryNext().state, ReadState::kDamaged);
  EXPECT_THAT(reader->status(), StatusIs(absl::StatusCode::kDataLoss,
                                         AllOf(HasSubstr("lane"), HasSubstr("offset 9200"),
                                               HasSubstr("0x0102030405060708"))));
}

TEST(LaneReader, IsNotTrappedInACircleOfSegments) {
  TestLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  EXPECT_FALSE(reader->TryNext());
  Vandal vandal(lane.lane_file());
  SegmentHeader& segment = vandal.segment(kFirstSegment);
  segment.next_offset.StoreRelaxed(kFirstSegment);
  segment.next_length.StoreRelaxed(8192);
  // For a number of rounds the circle is even consistent.
  for (uint64_t round = 1; round < 100; ++round) {
    segment.base_position.StoreRelaxed(round * 8192);
    segment.generation.StoreRelaxed(round + 1);
    vandal.word(2 * 4096).StoreRelaxed(EncodeHeaderWord(0, FrameMark(FrameKind::kEnd, round)));
    EXPECT_FALSE(reader->TryNext());
    if (reader->TryNext().state == ReadState::kDamaged) break;
  }
  EXPECT_FALSE(reader->TryNext());
}

// Random bytes over everything that the reader looks at: it may return frames that lie within their
// segment, or stop; nothing else.
TEST(LaneReader, SurvivesRandomScribbles) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    TestLane lane({.initial_segments = 4});
    std::unique_ptr<LaneReader> reader = lane.Join(1);
    for (int i = 0; i < 12; ++i) Write(lane.writer(), i, 1000);
    for (uint64_t frames = random() % 6; frames > 0; --frames) reader->TryNext();
    Vandal vandal(lane.lane_file());
    for (uint64_t scribbles = 1 + random() % 40; scribbles > 0; --scribbles) {
      // Near the beginning of pages, where the structs and most header words are.
      const uint64_t page = random() % (vandal.size() / 4096) * 4096;
      const uint64_t offset = page + random() % 24 * 8;
      const uint64_t value = random() % 3 == 0 ? random() : random() % 4 * 4096;
      vandal.word(offset).StoreRelaxed(value);
    }
    uint64_t sum = 0;
    for (int i = 0; i < 100; ++i) {
      const FrameView frame = reader->TryNext();
      for (const std::byte byte : frame.payload()) sum += static_cast<uint64_t>(byte);
    }
    EXPECT_NE(sum, 1u);
  }
}

}  // namespace
}  // namespace causeway
