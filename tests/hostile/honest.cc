#include "tests/hostile/honest.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/sleep_watch.h"

namespace causeway::hostile {
namespace {

Deadline Minutes() { return Deadline::After(absl::Minutes(2)); }

int Complain(const char* what, uint64_t number) {
  std::fprintf(stderr, "%s, frame %llu\n", what, static_cast<unsigned long long>(number));
  return 1;
}

}  // namespace

int WriteHonestly(LaneFiles& files, uint64_t frames, bool watched) {
  SleepWatch watch;
  const absl::StatusOr<std::unique_ptr<LaneWriter>> writer =
      files.Write(watched ? &watch : nullptr);
  const absl::StatusOr<std::shared_ptr<ReaderCursor>> cursor =
      files.Cursor(Whose::kHonest, 0, ReaderPolicy::kBlock);
  if (!writer.ok() || !cursor.ok()) return Complain("the honest writer cannot begin", 0);
  (*writer)->SetRoster({*cursor}, 1);
  for (uint64_t number = 0; number < frames; ++number) {
    if (WriteNumbered(**writer, number, Minutes()) != Refusal::kNone) {
      return Complain("the honest writer is refused", number);
    }
  }
  if (!(*writer)->DrainUntil(Minutes())) return Complain("the honest writer cannot drain", frames);
  return 0;
}

HonestReading::HonestReading(LaneFiles& files, WaitSet& set, uint64_t frames, AttackCounts& counts)
    : set_(set), frames_(frames), counts_(counts) {
  absl::StatusOr<std::unique_ptr<LaneReader>> reader =
      files.Read(Whose::kHonest, 0, /*roster_version=*/1, ReaderPolicy::kBlock, {});
  if (!reader.ok()) {
    std::fprintf(stderr, "the honest reader: %s\n", reader.status().ToString().c_str());
    _exit(1);
  }
  reader_ = *std::move(reader);
  set_.Add(reader_.get());
}

HonestReading::~HonestReading() { set_.Remove(reader_.get()); }

bool HonestReading::ReadOn(uint64_t frames) {
  for (uint64_t i = 0; i < frames && !done_; ++i) {
    const FrameView frame = reader_->TryNext();
    if (frame) {
      if (NumberOf(frame) != next_) {
        Complain("the honest reader has read something else", next_);
        done_ = true;
        return true;
      }
      ++next_;
      AttackCounts::Add(counts_.honest);
      continue;
    }
    if (frame.state == ReadState::kNothing || frame.state == ReadState::kNotJoined) return i > 0;
    Finish();
  }
  return true;
}

void HonestReading::Finish() {
  done_ = true;
  succeeded_ = reader_->end() == LaneEnd::kClosed && next_ == frames_;
  if (succeeded_) return;
  Complain("the honest stream has ended too early", next_);
  std::fprintf(stderr, "%s\n", reader_->status().ToString().c_str());
}

}  // namespace causeway::hostile
