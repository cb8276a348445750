#include <sched.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/sigbus_guard.h"
#include "mmapcore/wait_set.h"
#include "tests/hostile/attacks.h"
#include "tests/hostile/crew.h"
#include "tests/hostile/honest.h"
#include "tests/hostile/lane_files.h"
#include "tests/hostile/random.h"

namespace causeway::hostile {
namespace {

constexpr uint64_t kFramesBeforeScribbles = 100;
constexpr uint64_t kFramesBetweenCuts = 300;  // after which a lane in a damaged file begins anew
constexpr int kLooksPerTurn = 32;
constexpr uint64_t kMostFramesPerOpening = 2000;
constexpr int kMostTurnsWithoutAFrame = 50;

// The hostile process: one thread writes a lane as it should be, another one ruins it.
int WriteAndScribble(LaneFiles& files, const Target& target, uint64_t seed, AttackCounts& counts) {
  if (!SigbusGuard::Install().ok()) return 1;
  std::atomic<bool> begun = false;
  std::thread([&] {
    for (uint64_t number = 0;;) {
      const absl::StatusOr<std::unique_ptr<LaneWriter>> writer = files.Write(nullptr);
      // Its file was cut short, and is to be as new.
      if (!writer.ok() && ftruncate(files.lane().fd(), 0) == 0) {
        static_cast<void>(files.lane().Resize(files.lane_layout().file_bytes));
      }
      const uint64_t last = target.bytes == 0 ? number + kFramesBetweenCuts : ~uint64_t{0};
      while (writer.ok() && number < last &&
             WriteNumbered(**writer, number, Deadline::Passed()) == Refusal::kNone) {
        if (++number == kFramesBeforeScribbles) begun.store(true, std::memory_order_relaxed);
        if (number % 16 == 0) sched_yield();
      }
    }
  }).detach();
  while (!begun.load(std::memory_order_relaxed)) sched_yield();
  Scribbler scribbler(files.lane(), files.lane_layout(), target, seed);
  while (true) {
    scribbler.Scribble();
    AttackCounts::Add(counts.scribbles);
  }
}

bool IsNews(ReadState state) {
  return state != ReadState::kNothing && state != ReadState::kNotJoined;
}

// The reader of the lane under attack.
class Victim {
 public:
  Victim(LaneFiles& files, uint64_t seed, WaitSet& set, AttackCounts& counts)
      : files_(files), random_(seed), set_(set), counts_(counts) {}
  ~Victim() { Drop(); }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  // A few looks. False: there was nothing.
  bool ReadOn() {
    if (reader_ == nullptr && !Open()) return false;
    bool something = false;
    for (int look = 0; look < kLooksPerTurn && reader_ != nullptr; ++look) {
      if (!Look()) break;
      something = true;
    }
    dry_turns_ = something ? 0 : dry_turns_ + 1;
    if (frames_left_ == 0 || dry_turns_ > kMostTurnsWithoutAFrame) Drop();
    return something;
  }

  // Frames, refusals and all else that the lane under attack has given so far.
  uint64_t events() const { return events_; }

  // Empty, or what the reader did that it may not do.
  const std::string& broken() const { return broken_; }

 private:
  bool Open() {
    const size_t page = random_.Below(files_.cursor_pages());
    files_.Wipe(Whose::kHonest, page);
    policy_ = static_cast<ReaderPolicy>(random_.Below(3));
    const LaneStart start = {.at = static_cast<LaneStart::At>(random_.Below(3)),
                             .position = last_position_ + random_.Below(3) * 8};
    AttackCounts::Add(counts_.openings);
    ++events_;
    // The writer keeps no roster: nobody is waited for.
    absl::StatusOr<std::unique_ptr<LaneReader>> reader =
        files_.Read(Whose::kHonest, page, random_.Below(16) == 0 ? 1 : 0, policy_, start);
    if (!reader.ok()) {
      counts_.Refuse(reader.status());
      return false;
    }
    reader_ = *std::move(reader);
    set_.Add(reader_.get());
    last_position_ = 0;
    dry_turns_ = 0;
    frames_left_ = 1 + random_.Below(kMostFramesPerOpening);
    return true;
  }

  void Drop() {
    if (reader_ == nullptr) return;
    set_.Remove(reader_.get());
    reader_.reset();
  }

  // False: nothing more for now.
  bool Look() {
    std::array<FrameView, 4> frames;
    size_t count = 0;
    ReadState state = ReadState::kNothing;
    uint64_t skipped = 0;
    switch (random_.Below(8)) {
      case 0:
        frames[0] = reader_->TryLatest(skipped);
        count = frames[0] ? 1 : 0;
        state = frames[0].state;
        break;
      case 1:
        count = reader_->TryNextBatch(frames, state);
        break;
      default:
        frames[0] = reader_->TryNext();
        count = frames[0] ? 1 : 0;
        state = frames[0].state;
    }
    for (const FrameView& frame : std::span(frames).first(count)) Verify(frame);
    events_ += count > 0 ? count : IsNews(state);
    if (count > 0) {
      if (random_.Below(4) == 0) reader_->Release();
      return true;
    }
    return NoFrame(state);
  }

  void Verify(const FrameView& frame) {
    const std::optional<uint64_t> number = NumberOf(frame);
    if (frame.size > kMaxFrame) broken_ = "handed out a frame that is longer than the longest";
    if (frame.position <= last_position_) broken_ = "went back";
    last_position_ = frame.position;
    const bool valid = reader_->StillValid(frame) && !reader_->damaged();
    AttackCounts::Add(number.has_value() && valid ? counts_.verified : counts_.forged);
    if (frames_left_ > 0) --frames_left_;
  }

  bool NoFrame(ReadState state) {
    switch (state) {
      case ReadState::kNothing:
      case ReadState::kNotJoined:
        return false;
      case ReadState::kGap:
        if (reader_->gap().begin > reader_->gap().end)
          broken_ = "told of a gap that ends before it begins";
        AttackCounts::Add(counts_.gaps);
        return true;
      case ReadState::kEnded:
        AttackCounts::Add(counts_.ends);
        break;
      case ReadState::kDamaged:
      case ReadState::kOutOfRange:
        if (reader_->status().ok()) broken_ = "stopped without a status";
        counts_.Refuse(reader_->status());
        if (absl::IsResourceExhausted(reader_->status())) return false;
        break;
      case ReadState::kFrame:
        broken_ = "gave a frame that is none";
        return false;
    }
    if (reader_->TryNext()) broken_ = "read on after its end";
    Drop();
    return true;
  }

  LaneFiles& files_;
  Random random_;
  WaitSet& set_;
  AttackCounts& counts_;
  std::unique_ptr<LaneReader> reader_;
  ReaderPolicy policy_ = ReaderPolicy::kBlock;
  uint64_t last_position_ = 0;
  uint64_t frames_left_ = 0;
  int dry_turns_ = 0;
  uint64_t events_ = 0;
  std::string broken_;
};

int ReadBoth(LaneFiles& attacked, LaneFiles& beside, const AttackOptions& options,
             AttackCounts& counts) {
  if (!SigbusGuard::Install().ok()) return 1;
  WaitSet set({.mode = options.seed % 2 == 0 ? WaitMode::kPark : WaitMode::kAdaptive});
  HonestReading honest(beside, set, options.honest_frames, counts);
  Victim victim(attacked, options.seed, set, counts);
  const uint64_t scribbles_before = counts.scribbles.load();
  const auto keeps_pace = [&](uint64_t frames) {
    return counts.scribbles.load() - scribbles_before >= frames && victim.events() >= frames;
  };
  while (!honest.done()) {
    const bool something = victim.ReadOn();
    if (!victim.broken().empty()) {
      std::fprintf(stderr, "the reader under attack %s\n", victim.broken().c_str());
      return 1;
    }
    if (!keeps_pace(honest.frames())) {
      if (!something) sched_yield();
      continue;
    }
    if (!honest.ReadOn(1) && !something) set.WaitUntil(Deadline::After(absl::Seconds(1)));
  }
  return honest.succeeded() ? 0 : 1;
}

}  // namespace

absl::Status AttackReader(const Target& target, const AttackOptions& options,
                          AttackCounts& counts) {
  LaneFiles attacked("attacked");
  LaneFiles beside("beside");
  Crew crew;
  crew.Start("hostile writer",
             [&] { return WriteAndScribble(attacked, target, options.seed, counts); });
  crew.Start("honest writer",
             [&] { return WriteHonestly(beside, options.honest_frames, options.seed % 4 < 2); });
  crew.Start("reader", [&] { return ReadBoth(attacked, beside, options, counts); });
  return crew.Join("hostile writer");
}

}  // namespace causeway::hostile
