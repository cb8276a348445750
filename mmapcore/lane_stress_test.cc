// A writer, readers that come and go, and rosters that change, all at full speed: two threads over
// two mappings of the same file, so that ThreadSanitizer sees both sides of the protocol.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapping.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::PatternFrame;
using ::causeway::testing::TestLane;

// A frame carries its number; its length and the rest of its bytes follow from the number.
size_t LengthOf(uint64_t number) {
  if (number % 97 == 0) return 9000 + number % 500;  // In a segment of its own.
  return 8 + number * 2654435761 % 900;
}

bool WriteNumbered(LaneWriter& writer, uint64_t number, Deadline deadline) {
  const size_t length = LengthOf(number);
  const Claim claim = writer.ClaimUntil(length, deadline);
  if (!claim) return false;
  std::memcpy(claim.data, &number, 8);
  const std::vector<std::byte> rest = PatternFrame(number, length - 8);
  std::copy(rest.begin(), rest.end(), claim.data + 8);
  return writer.Commit(length);
}

// The number of a whole frame; fails the test if it is not.
uint64_t NumberOf(const FrameView& frame) {
  uint64_t number = 0;
  EXPECT_GE(frame.size, 8u);
  std::memcpy(&number, frame.data, 8);
  EXPECT_EQ(frame.size, LengthOf(number));
  EXPECT_TRUE(IsPatternFrame(number, frame.payload().subspan(8))) << number;
  return number;
}

// Reads until the lane ends; frames must be consecutive. Returns how many there were.
uint64_t ReadToTheEnd(LaneReader& reader, Deadline deadline, int64_t spin_nanos) {
  WaitSet waiting({.max_spin_nanos = spin_nanos});
  waiting.Add(&reader);
  uint64_t frames = 0;
  uint64_t expected = 0;
  while (true) {
    const FrameView frame = reader.TryNext();
    if (frame) {
      const uint64_t number = NumberOf(frame);
      if (frames > 0) {
        EXPECT_EQ(number, expected);
      }
      expected = number + 1;
      ++frames;
      continue;
    }
    if (frame.state == ReadState::kEnded) return frames;
    EXPECT_NE(frame.state, ReadState::kDamaged) << reader.status();
    if (frame.state == ReadState::kDamaged) return frames;
    if (waiting.WaitUntil(deadline) == WaitResult::kTimedOut) {
      ADD_FAILURE() << "stalled";
      return frames;
    }
  }
}

constexpr uint64_t kFrames = 30'000;

TEST(LaneStress, EveryReaderSeesEveryFrame) {
  TestLane lane({.capacity_bytes = 8 * 8192});
  const Deadline deadline = Deadline::After(absl::Seconds(120));
  std::vector<std::unique_ptr<LaneReader>> readers;
  for (uint64_t id = 1; id <= 3; ++id) readers.push_back(lane.Join(id));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < readers.size(); ++i) {
    threads.emplace_back(
        [&, i] { EXPECT_EQ(ReadToTheEnd(*readers[i], deadline, i == 0 ? 20'000 : 0), kFrames); });
  }
  for (uint64_t number = 0; number < kFrames; ++number) {
    ASSERT_TRUE(WriteNumbered(lane.writer(), number, deadline)) << number;
  }
  lane.writer().Close();
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(lane.writer().counters().recycles, 0u);
}

TEST(LaneStress, ReadersThatJoinWhileSegmentsAreRecycledBeginAtAWholeFrame) {
  TestLane lane({.capacity_bytes = 8 * 8192});
  lane.writer();
  const Deadline deadline = Deadline::After(absl::Seconds(120));
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (uint64_t number = 0; !done.load(std::memory_order_relaxed); ++number) {
      ASSERT_TRUE(WriteNumbered(lane.writer(), number, deadline)) << number;
    }
    lane.writer().Close();
  });
  uint64_t frames_read = 0;
  for (uint64_t id = 1; id <= 400; ++id) {
    std::unique_ptr<LaneReader> reader = lane.Join(id);
    uint64_t expected = 0;
    const uint64_t frames = 1 + id % 60;
    for (uint64_t i = 0; i < frames;) {
      const FrameView frame = reader->TryNext();
      if (!frame) {
        ASSERT_NE(frame.state, ReadState::kDamaged) << reader->status();
        ASSERT_FALSE(deadline.HasPassed());
        continue;
      }
      const uint64_t number = NumberOf(frame);
      if (i > 0) {
        ASSERT_EQ(number, expected);
      }
      expected = number + 1;
      ++i;
    }
    frames_read += frames;
    // In either order: it closes and is dismissed, or is dismissed while it still looks.
    if (id % 2 == 0) reader->Close();
    lane.Dismiss(id);
  }
  done.store(true);
  writer.join();
  EXPECT_GT(frames_read, 0u);
}

// Somebody scribbles over the lane at full speed while a reader parses it: the reader returns
// frames that lie within their segment, or stops with DataLoss; nothing else.
TEST(LaneStress, AReaderSurvivesAWriterThatScribbles) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  TestLane lane({.capacity_bytes = 8 * 8192, .initial_segments = 4});
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(lane.writer().TryWrite(PatternFrame(i, 24)), Refusal::kNone);
  }
  absl::StatusOr<Mapping> mapping =
      Mapping::MapWhole(lane.lane_file(), {.protection = Protection::kReadWrite});
  ASSERT_TRUE(mapping.ok());
  std::byte* const bytes = mapping->mutable_data();
  const uint64_t size = mapping->length();
  std::atomic<bool> done{false};
  std::thread vandal([&] {
    std::mt19937_64 random(seed);
    // What it breaks it also mends, so that readers get past the first words.
    std::vector<uint64_t> good(size / 8);
    for (size_t i = 0; i < good.size(); ++i) good[i] = HeaderWordAt(bytes, i * 8).LoadRelaxed();
    const uint32_t mark = FrameMark(FrameKind::kData, 1);
    while (!done.load(std::memory_order_relaxed)) {
      uint64_t broken[16];
      for (uint64_t& word : broken) {
        // Mostly the first frames, sometimes the words that head a page.
        word = random() % 64 != 0 ? 1024 + random() % 512
                                  : random() % (size / 4096) * 512 + random() % 32;
        const uint64_t values[] = {random(),
                                   EncodeHeaderWord(random() % 5000, mark),
                                   EncodeHeaderWord(random() % 64, mark),
                                   EncodeHeaderWord(0, FrameMark(FrameKind::kEnd, 1)),
                                   random() % 16 * 4096,
                                   0};
        HeaderWordAt(bytes, word * 8).StoreRelaxed(values[random() % std::size(values)]);
      }
      for (const uint64_t word : broken) HeaderWordAt(bytes, word * 8).StoreRelaxed(good[word]);
    }
    for (size_t i = 0; i < good.size(); ++i) HeaderWordAt(bytes, i * 8).StoreRelaxed(good[i]);
  });
  uint64_t frames = 0;
  uint64_t damaged = 0;
  const Deadline deadline = Deadline::After(absl::Seconds(2));
  while (!deadline.HasPassed()) {
    std::unique_ptr<LaneReader> reader;
    {
      absl::StatusOr<std::unique_ptr<LaneReader>> created = lane.TryOpenReader(/*reader_id=*/1);
      if (!created.ok()) continue;
      reader = *std::move(created);
    }
    reader->SetWriterGone(LaneEnd::kWriterDied);  // So that it does not wait to be admitted.
    for (int i = 0; i < 1000; ++i) {
      const FrameView frame = reader->TryNext();
      if (!frame) {
        if (frame.state == ReadState::kDamaged) ++damaged;
        if (frame.state != ReadState::kNothing) break;
        continue;
      }
      ++frames;
      uint64_t sum = 0;
      for (size_t at = 0; at + 8 <= frame.size; at += 8) {
        sum += HeaderWordAt(frame.data, at).LoadRelaxed();
      }
      if (sum == 1) ++damaged;
    }
  }
  done.store(true);
  vandal.join();
  RecordProperty("frames", static_cast<int>(frames));
  EXPECT_GT(frames, 0u);
  EXPECT_GT(damaged, 0u);
}

// Against a naive model: what each reader must see is a list of frames.
TEST(LaneModel, BehavesLikeAList) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 40; ++round) {
    TestLane lane({.capacity_bytes = (4 + random() % 5) * 8192});
    if (random() % 4 == 0) lane.supply().set_mode(testing::FileSupply::Mode::kIgnore);
    struct Model {
      std::unique_ptr<LaneReader> reader;
      uint64_t next = 0;  // number of the frame that it must see next
      bool began = false;
    };
    std::map<uint64_t, Model> readers;
    std::map<uint64_t, size_t> written;    // number -> length
    std::map<uint64_t, uint64_t> numbers;  // position -> number
    uint64_t next_number = 0;
    uint64_t next_id = 1;
    for (int step = 0; step < 600; ++step) {
      switch (random() % 8) {
        case 0:
          if (readers.size() < 4 && random() % 4 == 0) {
            const uint64_t id = next_id++;
            readers[id] = {.reader = lane.Join(id)};
          }
          break;
        case 1:
          if (!readers.empty() && random() % 8 == 0) {
            lane.Dismiss(readers.begin()->first);
            readers.erase(readers.begin());
          }
          break;
        case 2: {
          if (const Claim claim = lane.writer().TryClaim(random() % 4000)) {
            std::memset(claim.data, 0xEE, claim.length);
            lane.writer().Abandon();
          }
          break;
        }
        case 3:
        case 4:
        case 5: {
          const size_t length =
              random() % 20 == 0 ? random() % 12000 : random() % (random() % 2 == 0 ? 64 : 3000);
          const Refusal refusal = lane.writer().TryWrite(PatternFrame(next_number, length));
          if (refusal == Refusal::kNone) {
            numbers[lane.writer().head() - FrameSpan(length)] = next_number;
            written[next_number++] = length;
          } else {
            ASSERT_EQ(refusal, Refusal::kFull);
          }
          break;
        }
        default: {
          if (readers.empty()) break;
          auto it = readers.begin();
          std::advance(it, random() % readers.size());
          Model& model = it->second;
          const FrameView frame = model.reader->TryNext();
          if (!frame) {
            ASSERT_EQ(frame.state, ReadState::kNothing) << model.reader->status();
            ASSERT_TRUE(!model.began || model.next == next_number);
            break;
          }
          if (!model.began) {
            // Some frame that was retained; from here on every one.
            model.began = true;
            ASSERT_TRUE(numbers.contains(frame.position));
            model.next = numbers[frame.position];
          }
          ASSERT_LT(model.next, next_number);
          ASSERT_EQ(frame.size, written[model.next]);
          ASSERT_TRUE(IsPatternFrame(model.next, frame.payload()));
          ++model.next;
        }
      }
    }
    lane.CloseWriter();
    for (auto& [id, model] : readers) {
      while (true) {
        const FrameView frame = model.reader->TryNext();
        if (!frame) {
          ASSERT_EQ(frame.state, ReadState::kEnded) << model.reader->status();
          ASSERT_TRUE(!model.began || model.next == next_number);
          break;
        }
        if (model.began) {
          ASSERT_EQ(frame.size, written[model.next]);
          ASSERT_TRUE(IsPatternFrame(model.next++, frame.payload()));
        }
      }
    }
  }
}

}  // namespace
}  // namespace causeway
