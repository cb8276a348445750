#include "mmapcore/sleep_watch.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/shared_word.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using testing::PatternFrame;
using testing::TestLane;

// A lane of one reader's doorbell, without the lane.
class OneDoorbell : public QuietLane {
 public:
  explicit OneDoorbell(size_t doorbells = 1) : doorbells_(doorbells) {}

  size_t DoorbellCount() const override { return doorbells_; }
  bool GoQuiet() override { return !asleep.load(); }
  bool ListDoorbells(std::vector<WaitedWord>* words) override {
    for (size_t i = 0; i < doorbells_; ++i) {
      words->push_back({.address = doorbell.address(), .value = doorbell.LoadRelaxed()});
    }
    return !asleep.load();
  }
  void Resume() override { resumed.Notify(); }

  std::atomic<bool> asleep{false};
  SharedWord<uint32_t> doorbell{};
  absl::Notification resumed;

 private:
  const size_t doorbells_;
};

TEST(SleepWatch, ResumesALaneWhoseReaderRings) {
  SleepWatch watch;
  OneDoorbell lane;
  OneDoorbell other;
  ASSERT_TRUE(watch.Watch(&other));
  ASSERT_TRUE(watch.Watch(&lane));
  lane.asleep = true;
  Ring(lane.doorbell);
  lane.resumed.WaitForNotification();
  EXPECT_EQ(watch.resumed(), 1u);
  watch.Remove(&lane);
  watch.Remove(&other);
  EXPECT_FALSE(other.resumed.HasBeenNotified());
}

TEST(SleepWatch, DoesNotWatchALaneWhoseReaderSleeps) {
  SleepWatch watch;
  OneDoorbell lane;
  lane.asleep = true;
  EXPECT_FALSE(watch.Watch(&lane));
}

TEST(SleepWatch, FindsASleeperWhenTheReadersChange) {
  SleepWatch watch;
  OneDoorbell lane;
  ASSERT_TRUE(watch.Watch(&lane));
  lane.asleep = true;  // One that joined: nobody waits on its doorbell yet.
  watch.ReadersChanged();
  lane.resumed.WaitForNotification();
}

TEST(SleepWatch, WatchesMoreLanesThanOneThreadCanWaitFor) {
  SleepWatch watch;
  std::vector<std::unique_ptr<OneDoorbell>> lanes;
  for (int i = 0; i < 300; ++i) {
    lanes.push_back(std::make_unique<OneDoorbell>());
    ASSERT_TRUE(watch.Watch(lanes.back().get()));
  }
  for (const size_t i : {0, 126, 127, 254, 299}) {
    lanes[i]->asleep = true;
    Ring(lanes[i]->doorbell);
    lanes[i]->resumed.WaitForNotification();
  }
  EXPECT_EQ(watch.resumed(), 5u);
  for (const auto& lane : lanes) watch.Remove(lane.get());
}

TEST(SleepWatch, RefusesMoreDoorbellsThanItCanWaitFor) {
  SleepWatch watch;
  OneDoorbell too_many(128);
  EXPECT_FALSE(watch.Watch(&too_many));
  std::vector<std::unique_ptr<OneDoorbell>> lanes;
  for (size_t i = 0; i < SleepWatch::kMostThreads; ++i) {
    lanes.push_back(std::make_unique<OneDoorbell>(127));
    ASSERT_TRUE(watch.Watch(lanes.back().get()));
  }
  OneDoorbell one;
  EXPECT_FALSE(watch.Watch(&one));
  watch.Remove(lanes[7].get());
  EXPECT_TRUE(watch.Watch(&one));
  watch.Remove(&one);
  for (const auto& lane : lanes) watch.Remove(lane.get());
}

// Streams until the writer is quiet, then sends frame by frame to readers that park: a frame that
// nobody wakes them for would stay unread until the longest sleep is over.
TEST(SleepWatch, NoFrameOfAQuietWriterIsLost) {
  SleepWatch watch;
  {
    TestLane lane({.segment_bytes = 64 << 10,
                   .capacity_bytes = 8 << 16,
                   .max_frame_bytes = 64,
                   .sleep_watch = &watch});
    constexpr int kReaders = 3;
    constexpr uint64_t kRounds = 40;
    constexpr uint64_t kStreamed = 12'000;  // several segments
    constexpr uint64_t kSingle = 5;
    std::vector<std::unique_ptr<LaneReader>> readers;
    for (int i = 1; i <= kReaders; ++i) readers.push_back(lane.Join(i));
    std::atomic<uint64_t> read[kReaders] = {};
    std::vector<std::thread> threads;
    for (int i = 0; i < kReaders; ++i) {
      threads.emplace_back([&, i] {
        WaitSet waiting({.max_spin_nanos = 0});
        waiting.Add(readers[i].get());
        while (true) {
          const FrameView frame = readers[i]->TryNext();
          if (frame) {
            read[i].fetch_add(1);
          } else if (frame.state == ReadState::kEnded) {
            return;
          } else {
            ASSERT_NE(frame.state, ReadState::kDamaged) << readers[i]->status();
            waiting.WaitUntil(Deadline::Infinite());
          }
        }
      });
    }
    const std::vector<std::byte> payload = PatternFrame(1, 24);
    uint64_t written = 0;
    const auto write = [&] {
      ASSERT_EQ(lane.writer().WriteUntil(payload, Deadline::After(absl::Seconds(60))),
                Refusal::kNone);
      ++written;
    };
    for (uint64_t round = 0; round < kRounds; ++round) {
      for (uint64_t i = 0; i < kStreamed; ++i) write();
      for (uint64_t i = 0; i < kSingle; ++i) {
        ASSERT_TRUE(lane.writer().DrainUntil(Deadline::After(absl::Seconds(60))));
        write();
      }
    }
    lane.writer().Close();
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < kReaders; ++i) EXPECT_EQ(read[i].load(), written);
  }
}

}  // namespace
}  // namespace causeway
