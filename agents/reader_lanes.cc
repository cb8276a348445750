#include "agents/reader_lanes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/deadline.h"
#include "mmapcore/mapping.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {
namespace {

// Of how many lanes news may be on its way when they are given back: those of one snapshot.
constexpr size_t kMostReleased = 4096;

// Frames that a lane may give in a row while others may have some, too: enough to pay for the turn,
// few enough that nobody waits long.
constexpr uint32_t kFramesPerTurn = 64;

// Looks at the header word of an only lane before anything else is looked at: a few microseconds.
constexpr int kLooksInLine = 512;

EndCause FromLaneEnd(LaneEnd end) {
  switch (end) {
    case LaneEnd::kWriterDied:
      return EndCause::kDied;
    case LaneEnd::kWriterEvicted:
      return EndCause::kEvicted;
    default:
      return EndCause::kClosed;
  }
}

LaneEnd ToLaneEnd(EndCause cause) {
  switch (cause) {
    case EndCause::kDied:
      return LaneEnd::kWriterDied;
    case EndCause::kEvicted:
      return LaneEnd::kWriterEvicted;
    case EndCause::kClosed:
      break;
  }
  return LaneEnd::kClosed;
}

bool Contains(const std::vector<uint64_t>& ids, uint64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

absl::StatusOr<Mapping> MapPage(const MappedFile& file, uint64_t offset) {
  MappingOptions options;
  options.guarded = SigbusGuard::installed();
  return Mapping::Map(file, offset, kHeaderPageBytes, options);
}

}  // namespace

ReaderLanes::ReaderLanes(const Options& options, MappedFile cursor_file,
                         std::function<void(uint64_t)> release_lane)
    : options_(options),
      cursor_file_(std::move(cursor_file)),
      release_lane_(std::move(release_lane)),
      wait_set_({.mode = options.wait_mode}),
      merged_(options.merge == Merge::kTimestamp
                  ? std::make_unique<MergedLanes>(options.merge_patience, options.wait_mode)
                  : nullptr) {}

ReaderLanes::~ReaderLanes() { Close(); }

void ReaderLanes::TakeNews() {
  if (!news_.load(std::memory_order_relaxed)) return;
  // Acquire: what the news are about. Pairs with the release of whoever brought them.
  news_.exchange(false, std::memory_order_acquire);
  absl::MutexLock lock(&mutex_);
  stopped_ = closed_ || !fenced_.ok();
  if (!arrived_.empty() && served_.empty()) end_cause_ = EndCause::kClosed;
  for (Lane* lane : arrived_) {
    served_.push_back(lane);
    wait_set_.Add(lane->reader.get());
    if (merged_ != nullptr) merged_->Add(lane->reader.get(), lane->id);
    seen_a_lane_ = true;
  }
  arrived_.clear();
  for (Loss& loss : lost_) losses_.push_back(std::move(loss));
  lost_.clear();
}

bool ReaderLanes::TryServe(Which which, Frame& frame) {
  wait_set_.Disarm();
  if (turn_.lane != nullptr) {
    turn_.lane->Release();
    // Reader::TryNext() may have come upon it.
    if (turn_.lane->gaps() != served_[serving_]->gaps_told) NoteGap(*served_[serving_]);
  }
  TakeNews();
  if (stopped_ || gap_.has_value() || !cut_off_.ok()) return false;
  out_of_memory_ = absl::OkStatus();
  if (merged_ != nullptr) return TryServeMerged(frame);
  size_t unseen = served_.size();
  for (size_t next = serving_ + 1; unseen > 0; ++next, --unseen) {
    const size_t index = next % served_.size();
    Lane& lane = *served_[index];
    skipped_ = 0;
    const FrameView view =
        which == Which::kNext ? lane.reader->TryNext() : lane.reader->TryLatest(skipped_);
    if (view) {
      serving_ = index;
      turn_.lane = lane.reader.get();
      turn_.lane_id = lane.id;
      turn_.frames_left = which == Which::kNext ? kFramesPerTurn - 1 : 0;
      frame = turn_.Taken(view);
      frames_skipped_.Add(skipped_);
      return true;
    }
    const size_t before = served_.size();
    if (!Heed(index, view.state)) return false;
    if (served_.empty()) break;
    // The one behind it has moved up. Unsigned wrap is undone by ++next.
    if (served_.size() < before) next = index - 1;
  }
  return false;
}

bool ReaderLanes::TryServeMerged(Frame& frame) {
  // Its next frame may be taken in hand below, and must not be let go of.
  turn_.lane = nullptr;
  while (true) {
    const MergedLanes::Found found = merged_->TryNext();
    if (found.reader == nullptr) return false;
    const size_t index = static_cast<size_t>(
        std::find_if(served_.begin(), served_.end(),
                     [&](const Lane* lane) { return lane->reader.get() == found.reader; }) -
        served_.begin());
    if (found.frame) {
      serving_ = index;
      turn_.lane = found.reader;
      turn_.lane_id = served_[index]->id;
      frame = turn_.Taken(found.frame);
      frame.late = found.late;
      if (found.late) frames_late_.Add(1);
      return true;
    }
    if (!Heed(index, found.frame.state) || !out_of_memory_.ok()) return false;
  }
}

bool ReaderLanes::Heed(size_t index, ReadState state) {
  Lane& lane = *served_[index];
  switch (state) {
    case ReadState::kFrame:
    case ReadState::kNothing:
    case ReadState::kNotJoined:
      break;
    case ReadState::kGap:
      serving_ = index;  // The others come first after it.
      NoteGap(lane);
      return false;
    case ReadState::kEnded:
      end_cause_ = std::max(end_cause_, FromLaneEnd(lane.reader->end()));
      Retire(index);
      break;
    case ReadState::kDamaged:
      if (absl::IsResourceExhausted(lane.reader->status())) {
        out_of_memory_ = lane.reader->status();
        break;
      }
      losses_.push_back({lane.id, lane.reader->position(), lane.reader->status()});
      Retire(index);
      break;
    case ReadState::kOutOfRange:
      CutOff(lane.reader->status());
      return false;
  }
  return true;
}

void ReaderLanes::WaitUntil(Deadline deadline) {
  if (merged_ != nullptr && merged_->holds_back()) {
    merged_->WaitUntil(deadline);
  } else {
    wait_set_.WaitUntil(deadline);
  }
}

void ReaderLanes::RaiseAttention() {
  wait_set_.attention().Raise();
  if (merged_ != nullptr) merged_->attention().Raise();
}

absl::Status ReaderLanes::ArmDescriptor() {
  // Nothing rings when merge_patience ends: look again at once.
  if (merged_ != nullptr && merged_->holds_back()) wait_set_.attention().Raise();
  return wait_set_.Arm();
}

void ReaderLanes::NoteGap(Lane& lane) {
  lane.gaps_told = lane.reader->gaps();
  turn_.lane = nullptr;
  turn_.frames_left = 0;
  const LaneGap& gap = lane.reader->gap();
  gap_.emplace();
  gap_->kind = Delivery::Kind::kGap;
  gap_->frame.lane_id = lane.id;
  gap_->frame.position = gap.begin;
  gap_->gap = gap;
  gaps_.Add(1);
  if (gap.frames != LaneGap::kUnknown) frames_missed_.Add(gap.frames);
}

void ReaderLanes::CutOff(const absl::Status& why) {
  cut_off_ = absl::OutOfRangeError(absl::StrFormat("reader %d of stream %s: %s", options_.reader_id,
                                                   options_.stream, why.message()));
  turn_.lane = nullptr;
  turn_.frames_left = 0;
  for (Lane* lane : served_) lane->reader->Close();
}

bool ReaderLanes::StillValid(const Frame& frame) const {
  const FrameView view = {.data = frame.payload.data(),
                          .size = static_cast<uint32_t>(frame.payload.size()),
                          .position = frame.position};
  for (const Lane* lane : served_) {
    if (lane->id == frame.lane_id) return lane->reader->StillValid(view);
  }
  return false;
}

void ReaderLanes::Retire(size_t index) {
  Lane* const lane = served_[index];
  const bool lost = lane->reader->end() == LaneEnd::kNotEnded;
  wait_set_.Remove(lane->reader.get());
  if (merged_ != nullptr) merged_->Remove(lane->reader.get());
  served_.erase(served_.begin() + static_cast<ptrdiff_t>(index));
  if (turn_.lane == lane->reader.get()) {
    turn_.lane = nullptr;
    turn_.frames_left = 0;
  }
  if (serving_ >= index && serving_ > 0) --serving_;
  std::unique_ptr<Lane> owned;
  {
    absl::MutexLock lock(&mutex_);
    auto node = lanes_.extract(lane->id);
    owned = std::move(node.mapped());
    left_.insert(lane->id);
    ++(lost ? lost_count_ : ended_);
  }
  const uint64_t lane_id = owned->id;
  owned.reset();  // Unmapped before the coordinator hears of it.
  CAUSEWAY_CRASH_POINT("agent.lane.unmapped");
  release_lane_(lane_id);
}

std::optional<absl::StatusOr<Delivery>> ReaderLanes::Outcome() {
  if (stopped_) {
    absl::MutexLock lock(&mutex_);
    if (!fenced_.ok()) return fenced_;
    if (closed_) return absl::FailedPreconditionError("the reader was closed");
  }
  if (gap_.has_value()) return *std::exchange(gap_, std::nullopt);
  if (!cut_off_.ok()) return cut_off_;
  if (!losses_.empty()) {
    Delivery delivery;
    delivery.kind = Delivery::Kind::kLaneLost;
    delivery.frame.lane_id = losses_.front().lane_id;
    delivery.frame.position = losses_.front().position;
    delivery.loss = std::move(losses_.front().why);
    losses_.pop_front();
    return delivery;
  }
  if (!out_of_memory_.ok()) return out_of_memory_;
  if (served_.empty() && seen_a_lane_) {
    Delivery delivery;
    delivery.kind = Delivery::Kind::kEnded;
    delivery.end_cause = end_cause_;
    return delivery;
  }
  return std::nullopt;
}

ReadState ReaderLanes::LookOn(Frame& frame) {
  if (served_.size() != 1 || options_.wait_mode == WaitMode::kPark) return ReadState::kNothing;
  serving_ = 0;
  turn_.lane = served_.front()->reader.get();
  turn_.lane_id = served_.front()->id;
  FrameView view = {.state = ReadState::kNothing};
  for (int look = 0; look < kLooksInLine && view.state == ReadState::kNothing; ++look) {
    if (news_.load(std::memory_order_relaxed)) break;
    view = turn_.lane->TryNext();
  }
  if (view) {
    turn_.frames_left = kFramesPerTurn - 1;
    frame = turn_.Taken(view);
  }
  return view.state == ReadState::kNotJoined ? ReadState::kNothing : view.state;
}

absl::StatusOr<Delivery> ReaderLanes::Serve(Which which, absl::Duration timeout) {
  if (which == Which::kLatest && merged_ != nullptr) {
    return absl::InvalidArgumentError(
        "the latest frame of a lane is for readers that do not merge lanes; use Next()");
  }
  Delivery delivery;
  std::optional<Deadline> deadline;  // The clock is looked at only once there is nothing to read.
  while (true) {
    if (TryServe(which, delivery.frame)) {
      delivery.kind = Delivery::Kind::kFrame;
      delivery.skipped = skipped_;
      return delivery;
    }
    if (std::optional<absl::StatusOr<Delivery>> outcome = Outcome()) return *std::move(outcome);
    if (!deadline.has_value()) deadline = Deadline::After(timeout);
    if (deadline->HasPassed()) return delivery;
    const ReadState seen =
        which == Which::kNext && merged_ == nullptr ? LookOn(delivery.frame) : ReadState::kNothing;
    if (seen == ReadState::kFrame) {
      delivery.kind = Delivery::Kind::kFrame;
      return delivery;
    }
    // Anything else is found again by TryServe(), and told.
    if (seen == ReadState::kNothing) WaitUntil(*deadline);
  }
}

absl::Status ReaderLanes::WaitForWriter(absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  while (true) {
    TakeNews();
    {
      absl::MutexLock lock(&mutex_);
      if (!fenced_.ok()) return fenced_;
      if (closed_) return absl::FailedPreconditionError("the reader was closed");
    }
    if (!cut_off_.ok()) return cut_off_;
    if (!served_.empty()) return absl::OkStatus();
    if (deadline.HasPassed()) {
      return absl::DeadlineExceededError(absl::StrFormat(
          "waited %s for a writer of stream %s", absl::FormatDuration(timeout), options_.stream));
    }
    wait_set_.WaitUntil(deadline);
  }
}

void ReaderLanes::Close() {
  for (Lane* lane : served_) {
    wait_set_.Remove(lane->reader.get());
    if (merged_ != nullptr) merged_->Remove(lane->reader.get());
  }
  served_.clear();
  turn_.lane = nullptr;
  turn_.frames_left = 0;
  stopped_ = true;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Lane>> lanes;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    arrived_.clear();
    lanes.swap(lanes_);
  }
}

LaneStart ReaderLanes::StartOf(uint64_t lane_id) const {
  const auto position = options_.start_positions.find(lane_id);
  if (position != options_.start_positions.end()) {
    return {.at = LaneStart::At::kPosition, .position = position->second};
  }
  // Ids grow: a lane of a greater one was opened later, and all of its frames are later ones.
  // By the time that this process hears of it, the writer may have lapped a reader that it does not
  // wait for: the first frame is what that reader was to begin with, not the oldest one that is
  // left.
  if (lane_id > options_.reader_id) {
    if (Holds(options_.policy)) return {};
    return {.at = LaneStart::At::kPosition, .position = kHeaderPageBytes};
  }
  return {.at = options_.start};
}

absl::Status ReaderLanes::AddLane(OpenedLane opened) {
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t id = opened.identity.lane_id;
    if (closed_ || lanes_.contains(id) || left_.contains(id)) return absl::OkStatus();
    // The news was on its way when the lane was given back; its file may be gone by now.
    if (released_.contains(id)) return absl::OkStatus();
  }
  auto lane = std::make_unique<Lane>();
  lane->id = opened.identity.lane_id;
  lane->label = std::move(opened.label);
  const auto follow = [&]() -> absl::Status {
    absl::StatusOr<Mapping> lane_page = MapPage(opened.file, opened.lane_page_offset);
    if (!lane_page.ok()) return lane_page.status();
    absl::StatusOr<Mapping> cursor_page = MapPage(cursor_file_, opened.cursor_offset);
    if (!cursor_page.ok()) return cursor_page.status();
    LaneReaderOptions options;
    options.identity = opened.identity;
    options.reader_id = options_.reader_id;
    options.roster_version = opened.roster_version;
    options.max_frame_bytes = std::min(options_.max_frame_bytes, kMaxFrameBytes);
    options.timestamps = options_.timestamps;
    options.policy = options_.policy;
    options.start = StartOf(lane->id);
    absl::StatusOr<std::unique_ptr<LaneReader>> reader =
        LaneReader::Create(std::move(opened.file), opened.lane_page_offset, cursor_file_,
                           opened.cursor_offset, options);
    if (!reader.ok()) return reader.status();
    lane->lane_page = *std::move(lane_page);
    lane->cursor_page = *std::move(cursor_page);
    lane->reader = *std::move(reader);
    return absl::OkStatus();
  };
  const absl::Status status = follow();
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return absl::OkStatus();
    ++opened_;
    if (status.ok()) {
      arrived_.push_back(lane.get());
      lanes_[lane->id] = std::move(lane);
    } else {
      ++lost_count_;
      left_.insert(lane->id);
      lost_.push_back({lane->id, 0, status});
    }
  }
  news_.store(true, std::memory_order_release);
  RaiseAttention();
  return status;
}

void ReaderLanes::EndLane(uint64_t lane_id, EndCause cause) {
  bool release = false;
  {
    absl::MutexLock lock(&mutex_);
    auto lane = lanes_.find(lane_id);
    if (lane != lanes_.end()) {
      lane->second->ended = true;
      lane->second->reader->SetWriterGone(ToLaneEnd(cause));
    }
    // It was lost while it was open; now it can be given back.
    release = lane == lanes_.end() && left_.contains(lane_id);
  }
  if (release) release_lane_(lane_id);
  RaiseAttention();
}

void ReaderLanes::Released(uint64_t lane_id) {
  absl::MutexLock lock(&mutex_);
  left_.erase(lane_id);
  released_.insert(lane_id);
  if (released_.size() > kMostReleased) released_.erase(released_.begin());
}

void ReaderLanes::KeepOnly(const std::vector<uint64_t>& lane_ids) {
  std::vector<uint64_t> gone;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, lane] : lanes_) {
      if (!Contains(lane_ids, id)) gone.push_back(id);
    }
    // Released, though the answer may be lost.
    absl::erase_if(left_, [&lane_ids](uint64_t id) { return !Contains(lane_ids, id); });
  }
  for (uint64_t id : gone) EndLane(id, EndCause::kDied);
}

void ReaderLanes::Fence(absl::Status why) {
  {
    absl::MutexLock lock(&mutex_);
    if (fenced_.ok()) fenced_ = std::move(why);
  }
  news_.store(true, std::memory_order_release);
  RaiseAttention();
}

absl::Status ReaderLanes::fenced() const {
  absl::MutexLock lock(&mutex_);
  return fenced_;
}

size_t ReaderLanes::lanes() const {
  absl::MutexLock lock(&mutex_);
  return lanes_.size();
}

bool ReaderLanes::Knows(uint64_t lane_id) const {
  absl::MutexLock lock(&mutex_);
  return lanes_.contains(lane_id) || left_.contains(lane_id);
}

std::vector<LaneLag> ReaderLanes::Lags() const {
  std::vector<LaneLag> lags;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, lane] : lanes_) {
    // Relaxed: numbers for people. The lane page is another process's: it may hold anything.
    const auto& page = PageAt<LanePage>(lane->lane_page.data());
    const auto& cursor = PageAt<CursorPage>(lane->cursor_page.data());
    const uint64_t position = cursor.position.LoadRelaxed();
    const uint64_t head = std::max(page.committed_position.LoadRelaxed(), position);
    lags.push_back({id, lane->label, position, head - position, lane->ended});
  }
  return lags;
}

ReaderCounters ReaderLanes::counters() const {
  absl::MutexLock lock(&mutex_);
  return {.frames = turn_.frames.value(),
          .payload_bytes = turn_.payload_bytes.value(),
          .lanes_opened = opened_,
          .lanes_ended = ended_,
          .lanes_lost = lost_count_,
          .gaps = gaps_.value(),
          .frames_missed = frames_missed_.value(),
          .frames_skipped = frames_skipped_.value(),
          .frames_late = frames_late_.value()};
}

}  // namespace causeway
