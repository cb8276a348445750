#include <sched.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/sigbus_guard.h"
#include "mmapcore/sleep_watch.h"
#include "mmapcore/wait_set.h"
#include "tests/hostile/attacks.h"
#include "tests/hostile/crew.h"
#include "tests/hostile/honest.h"
#include "tests/hostile/lane_files.h"
#include "tests/hostile/random.h"

namespace causeway::hostile {
namespace {

constexpr uint64_t kFramesPerInvitation = 64;
constexpr uint64_t kFramesPerTurn = 32;

// The hostile process: one thread reads as it should, and stores positions; another one ruins them.
int ReadAndScribble(LaneFiles& files, const Target& target, uint64_t seed, AttackCounts& counts) {
  if (!SigbusGuard::Install().ok()) return 1;
  std::thread([&] {
    Random random(~seed);
    while (true) {
      const size_t page = random.Below(files.cursor_pages());
      files.Wipe(Whose::kHostile, page);
      const absl::StatusOr<std::unique_ptr<LaneReader>> reader =
          files.Read(Whose::kHostile, page, 0, static_cast<ReaderPolicy>(random.Below(3)), {});
      if (!reader.ok()) continue;
      WaitSet set({.mode = WaitMode::kPark});
      set.Add(reader->get());
      for (uint64_t looks = random.Below(500); looks > 0; --looks) {
        const FrameView frame = (*reader)->TryNext();
        if (frame) AttackCounts::Add(NumberOf(frame).has_value() ? counts.verified : counts.forged);
        if (!frame && !(*reader)->Ready()) set.WaitUntil(Deadline::After(absl::Milliseconds(1)));
      }
      set.Remove(reader->get());
    }
  }).detach();
  Scribbler scribbler(files.cursors(Whose::kHostile), files.cursor_layout(), target, seed);
  while (true) {
    scribbler.Scribble();
    AttackCounts::Add(counts.scribbles);
  }
}

// The writer under attack, with its roster of one honest reader and many hostile ones.
class Victim {
 public:
  Victim(LaneFiles& files, const AttackOptions& options, AttackCounts& counts)
      : files_(files), options_(options), random_(options.seed), counts_(counts) {}

  int Run() {
    const bool watched = options_.seed % 4 < 2;
    absl::StatusOr<std::unique_ptr<LaneWriter>> writer = files_.Write(watched ? &watch_ : nullptr);
    absl::StatusOr<std::shared_ptr<ReaderCursor>> honest =
        files_.Cursor(Whose::kHonest, 0, ReaderPolicy::kBlock);
    if (!writer.ok() || !honest.ok()) return 1;
    writer_ = *std::move(writer);
    honest_ = *std::move(honest);
    const uint64_t scribbles_before = counts_.scribbles.load();
    for (uint64_t number = 0; number < options_.honest_frames; ++number) {
      if (number % kFramesPerInvitation == 0) Invite();
      while (counts_.scribbles.load() - scribbles_before < number) sched_yield();
      if (!Write(number)) return 1;
    }
    Evict();
    if (!writer_->DrainUntil(Deadline::After(absl::Minutes(2)))) {
      std::fprintf(stderr, "the writer under attack cannot drain\n");
      return 1;
    }
    return 0;
  }

 private:
  // What an operator does about a reader that holds the lane.
  void Evict() {
    AttackCounts::Add(counts_.bad_cursors, writer_->counters().bad_cursors);
    writer_->SetRoster({honest_}, ++version_);
  }

  void Invite() {
    Evict();
    std::vector<std::shared_ptr<ReaderCursor>> roster = {honest_};
    for (size_t page = 0; page < files_.cursor_pages(); ++page) {
      AttackCounts::Add(counts_.openings);
      absl::StatusOr<std::shared_ptr<ReaderCursor>> cursor =
          files_.Cursor(Whose::kHostile, page, static_cast<ReaderPolicy>(random_.Below(3)));
      if (cursor.ok()) {
        roster.push_back(*std::move(cursor));
      } else {
        counts_.Refuse(cursor.status());
      }
    }
    writer_->SetRoster(std::move(roster), ++version_);
  }

  bool Write(uint64_t number) {
    Refusal refusal = WriteNumbered(*writer_, number, Deadline::After(absl::Milliseconds(20)));
    if (refusal == Refusal::kTimedOut) {
      AttackCounts::Add(counts_.evictions);
      Evict();
      refusal = WriteNumbered(*writer_, number, Deadline::After(absl::Minutes(2)));
    }
    if (refusal == Refusal::kNone) return true;
    std::fprintf(stderr, "the writer under attack is refused (%d), frame %llu: %s\n",
                 static_cast<int>(refusal), static_cast<unsigned long long>(number),
                 writer_->status().ToString().c_str());
    return false;
  }

  LaneFiles& files_;
  const AttackOptions& options_;
  Random random_;
  AttackCounts& counts_;
  SleepWatch watch_;
  std::unique_ptr<LaneWriter> writer_;
  std::shared_ptr<ReaderCursor> honest_;
  uint64_t version_ = 0;
};

int ReadHonestly(LaneFiles& files, uint64_t frames, AttackCounts& counts) {
  WaitSet set;
  HonestReading honest(files, set, frames, counts);
  while (!honest.done()) {
    if (!honest.ReadOn(kFramesPerTurn)) set.WaitUntil(Deadline::After(absl::Seconds(1)));
  }
  return honest.succeeded() ? 0 : 1;
}

}  // namespace

absl::Status AttackWriter(const Target& target, const AttackOptions& options,
                          AttackCounts& counts) {
  LaneFiles files("attacked");
  Crew crew;
  crew.Start("hostile reader",
             [&] { return ReadAndScribble(files, target, options.seed, counts); });
  crew.Start("writer", [&] {
    if (!SigbusGuard::Install().ok()) return 1;
    return Victim(files, options, counts).Run();
  });
  crew.Start("honest reader", [&] { return ReadHonestly(files, options.honest_frames, counts); });
  return crew.Join("hostile reader");
}

}  // namespace causeway::hostile
