// Readers that are lapped while they look, at full speed: threads over mappings of their own. What
// a reader lets go of as whole must be whole, and what it saw and what it was told that it missed
// must add up to what was written.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::TestLane;

constexpr uint64_t kFrames = 60'000;

// In words. A frame of n words holds its number n times, plus the place of each.
uint64_t WordsOf(uint64_t number) { return 1 + number * 2654435761 % 300; }

uint64_t WordAt(uint64_t number, uint64_t place) { return number * 0x9E3779B97F4A7C15 + place; }

// Payloads race by design with readers that may be lapped: both sides go word by word, atomically.
bool WriteNumbered(LaneWriter& writer, uint64_t number, Deadline deadline) {
  const uint64_t words = WordsOf(number);
  const Claim claim = writer.ClaimUntil(8 * words, deadline);
  if (!claim) return false;
  for (uint64_t i = 0; i < words; ++i) {
    HeaderWordAt(claim.data, 8 * i).StoreRelaxed(WordAt(number, i));
  }
  return writer.Commit(8 * words);
}

std::vector<uint64_t> Copy(const FrameView& frame) {
  std::vector<uint64_t> words(frame.size / 8);
  for (uint64_t i = 0; i < words.size(); ++i)
    words[i] = HeaderWordAt(frame.data, 8 * i).LoadRelaxed();
  return words;
}

bool IsWhole(const std::vector<uint64_t>& words, uint64_t number) {
  if (words.size() != WordsOf(number)) return false;
  for (uint64_t i = 0; i < words.size(); ++i) {
    if (words[i] != WordAt(number, i)) return false;
  }
  return true;
}

struct Tally {
  uint64_t next = 0;
  uint64_t seen = 0;
  uint64_t missed = 0;
  uint64_t overwritten = 0;
  uint64_t skipped = 0;
  ReadState end = ReadState::kNothing;
};

enum class Pace { kFast, kDawdles, kLatest };

Tally ReadToTheEnd(LaneReader& reader, Pace pace, uint64_t seed, Deadline deadline) {
  std::mt19937_64 random(seed);
  WaitSet waiting({.max_spin_nanos = random() % 2 == 0 ? 0 : 20'000});
  waiting.Add(&reader);
  Tally tally;
  while (!deadline.HasPassed()) {
    uint64_t skipped = 0;
    const FrameView frame = pace == Pace::kLatest ? reader.TryLatest(skipped) : reader.TryNext();
    tally.next += skipped;
    tally.skipped += skipped;
    if (frame) {
      if (pace == Pace::kDawdles && random() % 64 == 0) {
        for (uint64_t looks = random() % 20'000; looks > 0; --looks) asm volatile("");
      }
      const std::vector<uint64_t> words = Copy(frame);
      if (!reader.Release()) {
        // The gap begins with it.
        ++tally.overwritten;
        continue;
      }
      EXPECT_TRUE(IsWhole(words, tally.next)) << tally.next;
      ++tally.next;
      ++tally.seen;
      continue;
    }
    switch (frame.state) {
      case ReadState::kGap:
        tally.next += reader.gap().frames;
        tally.missed += reader.gap().frames;
        break;
      case ReadState::kNothing:
      case ReadState::kNotJoined:
        waiting.WaitUntil(deadline);
        break;
      default:
        tally.end = frame.state;
        EXPECT_NE(frame.state, ReadState::kDamaged) << reader.status();
        return tally;
    }
  }
  ADD_FAILURE() << "stalled";
  return tally;
}

TEST(LaneLapStress, WhatIsSeenIsWholeAndWhatIsMissedIsCounted) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  const Deadline deadline = Deadline::After(absl::Seconds(240));
  for (const bool anybody_blocks : {true, false}) {
    TestLane lane({.capacity_bytes = 6 * 8192});
    struct Who {
      ReaderPolicy policy;
      Pace pace;
    };
    std::vector<Who> who = {{ReaderPolicy::kDrop, Pace::kFast},
                            {ReaderPolicy::kDrop, Pace::kDawdles},
                            {ReaderPolicy::kDrop, Pace::kLatest},
                            {ReaderPolicy::kEvict, Pace::kDawdles}};
    if (anybody_blocks) who.push_back({ReaderPolicy::kBlock, Pace::kFast});
    std::vector<std::unique_ptr<LaneReader>> readers;
    for (const Who& one : who) {
      readers.push_back(lane.Join(readers.size() + 1, {.policy = one.policy}));
    }
    std::vector<Tally> tallies(who.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < who.size(); ++i) {
      threads.emplace_back(
          [&, i] { tallies[i] = ReadToTheEnd(*readers[i], who[i].pace, seed + i, deadline); });
    }
    for (uint64_t number = 0; number < kFrames; ++number) {
      ASSERT_TRUE(WriteNumbered(lane.writer(), number, deadline)) << number;
    }
    lane.writer().Close();
    for (std::thread& thread : threads) thread.join();
    for (size_t i = 0; i < who.size(); ++i) {
      SCOPED_TRACE(absl::StrCat("reader ", i, ": ", tallies[i].seen, " seen, ", tallies[i].missed,
                                " missed, ", tallies[i].overwritten, " overwritten"));
      if (tallies[i].end == ReadState::kOutOfRange) {
        EXPECT_EQ(who[i].policy, ReaderPolicy::kEvict);
        continue;
      }
      EXPECT_EQ(tallies[i].end, ReadState::kEnded);
      EXPECT_EQ(tallies[i].seen + tallies[i].missed + tallies[i].skipped, kFrames);
      if (Holds(who[i].policy)) {
        EXPECT_EQ(tallies[i].seen, kFrames);
      }
    }
    EXPECT_GT(lane.writer().counters().laps, 0u);
    if (!anybody_blocks) {
      EXPECT_EQ(lane.writer().counters().segment_waits, 0u);
    }
  }
}

TEST(LaneLapStress, ReadersThatJoinAnywhereWhileTheLaneRunsSeeWholeFrames) {
  const Deadline deadline = Deadline::After(absl::Seconds(240));
  TestLane lane({.capacity_bytes = 6 * 8192});
  lane.writer();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (uint64_t number = 0; !done.load(std::memory_order_relaxed); ++number) {
      ASSERT_TRUE(WriteNumbered(lane.writer(), number, deadline)) << number;
    }
    lane.writer().Close();
  });
  uint64_t whole = 0;
  for (uint64_t id = 1; id <= 300; ++id) {
    const LaneStart start = {.at = id % 2 == 0 ? LaneStart::At::kLatest : LaneStart::At::kOldest};
    std::unique_ptr<LaneReader> reader =
        lane.Join(id, {.policy = ReaderPolicy::kDrop, .start = start});
    uint64_t next = 0;
    bool begun = false;
    // It may be lapped each time: nothing is promised to a slow one.
    for (uint64_t looks = 0, frames = 0; frames < 20 && looks < 2000; ++looks) {
      const FrameView frame = reader->TryNext();
      if (frame.state == ReadState::kGap && begun) next += reader->gap().frames;
      if (!frame) {
        ASSERT_NE(frame.state, ReadState::kDamaged) << reader->status();
        continue;
      }
      const std::vector<uint64_t> words = Copy(frame);
      if (!reader->Release()) continue;
      if (!begun) {
        // The first one says which it is.
        next = words[0] * 0xF1DE83E19937733D;  // the inverse of the factor in WordAt()
        begun = true;
      }
      ASSERT_TRUE(IsWhole(words, next)) << next;
      ++next;
      ++frames;
      ++whole;
    }
    lane.Dismiss(id);
  }
  done.store(true);
  writer.join();
  EXPECT_GT(whole, 0u);
}

}  // namespace
}  // namespace causeway
