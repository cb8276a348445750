// Readers that are not waited for.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/numbered_lane.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::FileSupply;
using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::kFramesPerSegment;
using ::causeway::testing::kLength;
using ::causeway::testing::NumberedLane;
using ::causeway::testing::PatternFrame;
using ::causeway::testing::Read;
using ::causeway::testing::StatusIs;
using ::causeway::testing::TestLane;
using ::causeway::testing::TestReaderOptions;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr TestReaderOptions kDrop = {.policy = ReaderPolicy::kDrop};
constexpr TestReaderOptions kEvict = {.policy = ReaderPolicy::kEvict};
// ---- Drop ---------------------------------------------------------------------------------------

TEST(LanePolicy, ADropReaderThatKeepsUpSeesEverything) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  Read read;
  for (int i = 0; i < 200; ++i) {
    lane.Write(3);
    EXPECT_EQ(read.All(*reader), ReadState::kNothing);
  }
  EXPECT_EQ(read.frames, 600u);
  EXPECT_EQ(read.gaps, 0u);
  EXPECT_EQ(lane.writer().counters().laps, 0u);
}

TEST(LanePolicy, TheLaneGrowsForADropReaderUpToItsCapacity) {
  NumberedLane lane({.capacity_bytes = 8 * 8192});
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(8 * kFramesPerSegment);
  EXPECT_EQ(lane.writer().counters().segment_bytes, 8u * 8192);
  EXPECT_EQ(lane.writer().counters().laps, 0u);
  Read read;
  read.All(*reader);
  EXPECT_EQ(read.frames, 32u);
}

TEST(LanePolicy, ALappedDropReaderIsToldWhatItMissedAndGoesOn) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  Read read;
  lane.Write(2);
  read.All(*reader);
  const uint64_t begin = reader->position();
  lane.Write(1000);
  const FrameView gap = reader->TryNext();
  ASSERT_EQ(gap.state, ReadState::kGap);
  EXPECT_FALSE(gap);
  EXPECT_EQ(reader->gap().begin, begin);
  EXPECT_EQ(reader->gap().begin, lane.position(2));
  EXPECT_EQ(reader->gap().end, lane.position(2 + reader->gap().frames));
  EXPECT_EQ(reader->gaps(), 1u);
  read.next += reader->gap().frames;
  read.missed += reader->gap().frames;
  EXPECT_EQ(read.All(*reader), ReadState::kNothing);
  EXPECT_EQ(read.frames + read.missed, lane.written());
  EXPECT_EQ(reader->frames(), read.frames);
  // And on, without further gaps, as long as it keeps up.
  lane.Write(5);
  EXPECT_EQ(read.All(*reader), ReadState::kNothing);
  EXPECT_EQ(read.frames + read.missed, lane.written());
  EXPECT_EQ(reader->gaps(), 1u);
}

TEST(LanePolicy, AWriterNeverWaitsForADropReader) {
  NumberedLane lane;
  // Not even when it can get no segment, and the reader has not read anything.
  lane.supply().set_mode(FileSupply::Mode::kIgnore);
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(1000);
  EXPECT_EQ(lane.writer().counters().segment_waits, 0u);
  EXPECT_TRUE(lane.writer().Drained());
}

TEST(LanePolicy, APatientWriterWaitsForItsLaneToGrowBeforeItLaps) {
  NumberedLane lane({.capacity_bytes = 8 * 8192, .lap_patience = absl::InfiniteDuration()});
  lane.supply().set_mode(FileSupply::Mode::kHold);
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  uint64_t waits = 0;
  for (uint64_t frame = 0; frame < 8 * kFramesPerSegment; ++frame) {
    // Full, however often it is asked, until the supply gives something.
    while (lane.writer().TryClaim(kLength).refusal == Refusal::kFull) {
      ++waits;
      EXPECT_EQ(lane.writer().TryClaim(kLength).refusal, Refusal::kFull);
      EXPECT_EQ(lane.supply().ServeRequests(), 1);
    }
    lane.Write(1);
  }
  EXPECT_GE(waits, 1u);
  EXPECT_EQ(lane.writer().counters().segment_bytes, 8u * 8192);
  EXPECT_EQ(lane.writer().counters().laps, 0u);
  Read read;
  read.All(*reader);
  EXPECT_EQ(read.frames, 8u * kFramesPerSegment);
  EXPECT_EQ(read.gaps, 0u);
  // At its capacity it waits no more.
  lane.Write(1000);
  EXPECT_GE(lane.writer().counters().laps, 1u);
}

TEST(LanePolicy, ThePatienceOfAWriterEnds) {
  NumberedLane lane({.capacity_bytes = 8 * 8192, .lap_patience = absl::Milliseconds(10)});
  lane.supply().set_mode(FileSupply::Mode::kIgnore);
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(2 * kFramesPerSegment);  // What the lane begins with.
  ASSERT_EQ(lane.writer().TryClaim(kLength).refusal, Refusal::kFull);
  // Nothing rings when it ends: the sleep does so by itself.
  ASSERT_TRUE(lane.writer().ClaimUntil(kLength, Deadline::Infinite()));
  const uint64_t waits = lane.writer().counters().segment_waits;
  EXPECT_EQ(lane.writer().counters().laps, 1u);
  // And it does not begin again before the supply has given something.
  std::unique_ptr<LaneReader> next = lane.Join(2, kDrop);
  lane.Write(1000);
  EXPECT_EQ(lane.writer().counters().laps, 2u);
  EXPECT_EQ(lane.writer().counters().segment_waits, waits);
}

TEST(LanePolicy, ALappedReaderCountsNoMoreUntilItComesForward) {
  NumberedLane lane({.capacity_bytes = 8 * 8192});
  std::unique_ptr<LaneReader> stopped = lane.Join(1, kDrop);
  lane.Write(1000);
  // Lapped once; from then on the lane does with the segments that it needs for itself.
  EXPECT_EQ(lane.writer().counters().laps, 1u);
  Read read;
  read.All(*stopped);
  EXPECT_EQ(read.frames + read.missed, 1000u);
  lane.Write(1000);
  EXPECT_EQ(lane.writer().counters().laps, 2u);
}

TEST(LanePolicy, OthersSeeEverythingWhileAReaderIsLapped) {
  for (const TestReaderOptions& options : {kDrop, kEvict}) {
    NumberedLane lane;
    std::unique_ptr<LaneReader> stopped = lane.Join(1, options);
    std::unique_ptr<LaneReader> block = lane.Join(2);
    std::unique_ptr<LaneReader> drop = lane.Join(3, kDrop);
    Read by_block;
    Read by_drop;
    for (int i = 0; i < 300; ++i) {
      lane.Write(2);
      by_block.All(*block);
      by_drop.All(*drop);
    }
    EXPECT_EQ(by_block.frames, 600u);
    EXPECT_EQ(by_block.gaps, 0u);
    EXPECT_EQ(by_drop.frames, 600u);
    EXPECT_EQ(by_drop.gaps, 0u);
    EXPECT_EQ(lane.writer().counters().segment_waits, 0u);
  }
}

TEST(LanePolicy, ABlockingReaderStillHoldsWhatOthersWouldLoseToNobody) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> block = lane.Join(1);
  std::unique_ptr<LaneReader> drop = lane.Join(2, kDrop);
  while (lane.writer().TryWrite(PatternFrame(0, kLength)) == Refusal::kNone) {
  }
  EXPECT_EQ(lane.writer().TryClaim(kLength).refusal, Refusal::kFull);
  EXPECT_EQ(lane.writer().counters().laps, 0u);
  // The drop reader's progress does not help, the other's does.
  while (drop->TryNext()) {
  }
  EXPECT_EQ(lane.writer().TryClaim(kLength).refusal, Refusal::kFull);
  while (block->TryNext()) {
  }
  EXPECT_TRUE(lane.writer().TryClaim(kLength));
}

TEST(LanePolicy, AReaderInTheMiddleOfASegmentWithoutFramesMissesNothing) {
  // It has read the last frame of a segment, and the next one is the oldest: nothing was missed.
  NumberedLane lane({.capacity_bytes = 2 * 8192, .max_frame_bytes = kLength});
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  Read read;
  lane.Write(kFramesPerSegment);
  read.All(*reader);
  lane.Write(kFramesPerSegment + 1);
  EXPECT_EQ(lane.writer().counters().laps, 1u);
  EXPECT_EQ(read.All(*reader), ReadState::kNothing);
  EXPECT_EQ(read.gaps, 0u);
  EXPECT_EQ(read.frames, lane.written());
}

TEST(LanePolicy, ALargeFrameLapsReadersWhereTheCapacityAsksForIt) {
  NumberedLane lane({.capacity_bytes = 6 * 8192});
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(4 * kFramesPerSegment);
  for (uint64_t i = 0; i < 20; ++i) {
    // The supply serves at once, so a second try has the segment.
    Refusal refusal = lane.writer().TryWrite(PatternFrame(i, 15'000));
    if (refusal == Refusal::kFull) refusal = lane.writer().TryWrite(PatternFrame(i, 15'000));
    ASSERT_EQ(refusal, Refusal::kNone);
  }
  EXPECT_LE(lane.writer().counters().segment_bytes, 6u * 8192);
  uint64_t frames = 0;
  uint64_t missed = 0;
  while (true) {
    const FrameView frame = reader->TryNext();
    if (frame.state == ReadState::kGap) {
      missed += reader->gap().frames;
    } else if (!frame) {
      ASSERT_EQ(frame.state, ReadState::kNothing) << reader->status();
      break;
    } else {
      ++frames;
    }
  }
  EXPECT_EQ(frames + missed, lane.written() + 20);
}

// ---- Views that are held across a lap -----------------------------------------------------------

TEST(LanePolicy, AViewHeldAcrossALapIsStaleAndItsFrameIsMissed) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(3);
  ASSERT_TRUE(reader->TryNext());
  const FrameView held = reader->TryNext();
  ASSERT_TRUE(held);
  EXPECT_TRUE(reader->StillValid(held));
  lane.Write(1000);
  EXPECT_FALSE(reader->StillValid(held));
  EXPECT_FALSE(reader->Release());
  EXPECT_FALSE(reader->Release());
  EXPECT_EQ(reader->frames(), 1u);
  ASSERT_EQ(reader->TryNext().state, ReadState::kGap);
  EXPECT_EQ(reader->gap().begin, held.position);
  Read read = {.next = 1 + reader->gap().frames};
  EXPECT_EQ(read.All(*reader), ReadState::kNothing);
  EXPECT_EQ(read.next, lane.written());
}

TEST(LanePolicy, AFrameThatWasWholeWhenLetGoOfIsNotMissed) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(3);
  const FrameView held = reader->TryNext();
  ASSERT_TRUE(reader->Release());
  lane.Write(1000);
  EXPECT_FALSE(reader->StillValid(held));
  ASSERT_EQ(reader->TryNext().state, ReadState::kGap);
  EXPECT_EQ(reader->gap().begin, lane.position(1));
}

TEST(LanePolicy, EarlierViewsOfTheSegmentCanBeHeldAndAreStaleTogether) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(4);
  std::vector<FrameView> held;
  for (int i = 0; i < 4; ++i) held.push_back(reader->TryNext());
  for (const FrameView& frame : held) EXPECT_TRUE(reader->StillValid(frame));
  lane.Write(1000);
  for (const FrameView& frame : held) EXPECT_FALSE(reader->StillValid(frame));
}

TEST(LanePolicy, AViewOfABlockingReaderIsValidUntilItLeavesTheSegment) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  lane.Write(kFramesPerSegment + 1);
  const FrameView frame = reader->TryNext();
  EXPECT_TRUE(reader->StillValid(frame));
  while (reader->TryNext()) {
  }
  EXPECT_FALSE(reader->StillValid(frame));
  EXPECT_TRUE(reader->Release());
}

TEST(LanePolicy, AViewIsStaleOnceItsSegmentWasGivenBack) {
  // Its bytes become zeros, or another file's, without any store of this writer's.
  NumberedLane lane({.capacity_bytes = 6 * 8192});
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(5 * kFramesPerSegment);
  const FrameView held = reader->TryNext();
  ASSERT_TRUE(held);
  // Needs a segment of its own, for which small ones have to go.
  EXPECT_EQ(lane.writer().TryClaim(15'000).refusal, Refusal::kFull);
  // Among them the one that it stands in.
  ASSERT_THAT(lane.supply().returned(), Contains(FileExtent{kHeaderPageBytes, 8192}));
  EXPECT_FALSE(reader->StillValid(held));
  EXPECT_FALSE(reader->Release());
}

TEST(LanePolicy, ASleepingReaderThatIsLappedIsReady) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(2);
  Read read;
  read.All(*reader);
  EXPECT_FALSE(reader->Ready());
  lane.Write(1000);
  // Whatever stands at its place now, zero included.
  EXPECT_TRUE(reader->Ready());
  WaitSet waiting({.max_spin_nanos = 0});
  waiting.Add(reader.get());
  EXPECT_EQ(waiting.WaitUntil(Deadline::After(absl::Seconds(10))), WaitResult::kReady);
}

// ---- Evict --------------------------------------------------------------------------------------

TEST(LanePolicy, ALappedEvictReaderIsCutWithTheReason) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kEvict);
  lane.Write(2);
  Read read;
  read.All(*reader);
  EXPECT_EQ(read.frames, 2u);
  lane.Write(1000);
  EXPECT_EQ(reader->TryNext().state, ReadState::kOutOfRange);
  EXPECT_THAT(reader->status(),
              StatusIs(absl::StatusCode::kOutOfRange,
                       AllOf(HasSubstr("evicted"), HasSubstr("lane 22"),
                             HasSubstr(absl::StrCat("position ", lane.position(2))))));
  EXPECT_EQ(reader->TryNext().state, ReadState::kOutOfRange);
  EXPECT_FALSE(reader->Ready());
  lane.Write(1000);
}

TEST(LanePolicy, AnEvictReaderThatKeepsUpIsNotCut) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kEvict);
  Read read;
  for (int i = 0; i < 200; ++i) {
    lane.Write(3);
    EXPECT_EQ(read.All(*reader), ReadState::kNothing);
  }
  lane.CloseWriter();
  EXPECT_EQ(read.All(*reader), ReadState::kEnded);
  EXPECT_EQ(read.frames, 600u);
}

TEST(LanePolicy, AReaderReadsWhatIsLeftOfALaneWhoseWriterIsGone) {
  NumberedLane lane;
  std::unique_ptr<LaneReader> reader = lane.Join(1, kDrop);
  lane.Write(1000);
  lane.CloseWriter();
  Read read;
  EXPECT_EQ(read.All(*reader), ReadState::kEnded);
  EXPECT_EQ(read.frames + read.missed, 1000u);
  EXPECT_GT(read.frames, 0u);
  EXPECT_EQ(reader->end(), LaneEnd::kClosed);
}

// ---- A naive model ------------------------------------------------------------------------------

// Readers of every policy at random against a list of frames: what is given is the next frame of
// the list, or a gap that says how far to go on in it.
TEST(LaneModel, EveryPolicyBehavesLikeAList) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  uint64_t gaps = 0;
  uint64_t cut = 0;
  for (int round = 0; round < 60; ++round) {
    TestLane lane({.capacity_bytes = (4 + random() % 5) * 8192});
    if (random() % 3 == 0) lane.supply().set_mode(FileSupply::Mode::kIgnore);
    struct Model {
      std::unique_ptr<LaneReader> reader;
      ReaderPolicy policy;
      uint64_t next;  // number of the frame that it must see next
    };
    std::vector<Model> readers;
    std::vector<size_t> lengths;
    std::vector<uint64_t> positions;
    for (uint64_t id = 1; id <= 5; ++id) {
      const auto policy = static_cast<ReaderPolicy>(random() % 3);
      readers.push_back({lane.Join(id, {.policy = policy}), policy, 0});
    }
    const bool anybody_blocks = std::any_of(readers.begin(), readers.end(), [](const Model& model) {
      return model.policy == ReaderPolicy::kBlock;
    });
    const auto look = [&](Model& model) {
      if (model.reader == nullptr) return;
      uint64_t skipped = 0;
      const bool latest = random() % 16 == 0;
      const FrameView frame = latest ? model.reader->TryLatest(skipped) : model.reader->TryNext();
      model.next += skipped;
      switch (frame.state) {
        case ReadState::kFrame:
          ASSERT_LT(model.next, lengths.size());
          ASSERT_EQ(frame.position, positions[model.next]);
          ASSERT_EQ(frame.size, lengths[model.next]);
          ASSERT_TRUE(IsPatternFrame(model.next, frame.payload()));
          if (latest) {
            ASSERT_EQ(model.next, lengths.size() - 1);
          }
          if (random() % 2 == 0) {
            ASSERT_TRUE(model.reader->Release());
          }
          ++model.next;
          return;
        case ReadState::kGap: {
          ASSERT_EQ(model.policy, ReaderPolicy::kDrop);
          const LaneGap& gap = model.reader->gap();
          // The last frame, if it was not let go of, may be the first one missed.
          if (model.next > 0 && gap.begin == positions[model.next - 1]) --model.next;
          ASSERT_LE(gap.begin, positions[model.next]);
          if (model.next > 0) {
            ASSERT_GT(gap.begin, positions[model.next - 1]);
          }
          model.next += gap.frames;
          ASSERT_LE(model.next, lengths.size());
          if (model.next < lengths.size()) {
            ASSERT_EQ(gap.end, positions[model.next]);
          }
          ++gaps;
          return;
        }
        case ReadState::kOutOfRange:
          ASSERT_EQ(model.policy, ReaderPolicy::kEvict);
          model.reader = nullptr;
          ++cut;
          return;
        default:
          ASSERT_EQ(frame.state, ReadState::kNothing) << model.reader->status();
          ASSERT_EQ(model.next, lengths.size());
      }
    };
    for (int step = 0; step < 800; ++step) {
      if (random() % 2 == 0) {
        const size_t length =
            random() % 20 == 0 ? random() % 12000 : random() % (random() % 2 == 0 ? 64 : 3000);
        const uint64_t number = lengths.size();
        const Refusal refusal = lane.writer().TryWrite(PatternFrame(number, length));
        if (refusal == Refusal::kNone) {
          positions.push_back(lane.writer().head() - FrameSpan(length));
          lengths.push_back(length);
        } else {
          ASSERT_EQ(refusal, Refusal::kFull);
          ASSERT_TRUE(anybody_blocks || length > 3000);
        }
      } else {
        // The last ones rarely.
        Model& model = readers[random() % (random() % 4 == 0 ? readers.size() : 2)];
        ASSERT_NO_FATAL_FAILURE(look(model));
      }
    }
  }
  EXPECT_GT(gaps, 0u);
  EXPECT_GT(cut, 0u);
}

}  // namespace
}  // namespace causeway
