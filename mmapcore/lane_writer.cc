#include "mmapcore/lane_writer.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapped_segment.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/process_barrier.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/segment_supply.h"
#include "mmapcore/sigbus_guard.h"
#include "mmapcore/wait_mode.h"
#include "mmapcore/writer_segments.h"

namespace causeway {
namespace {

// So many frames without a sleeper, and commits no longer look for one.
constexpr uint64_t kFramesBeforeQuiet = 4096;

uint64_t StampBytes(const LaneWriterOptions& options) {
  return options.timestamps ? kTimestampBytes : 0;
}

absl::Status CheckOptions(const LaneWriterOptions& options, std::span<const FileExtent> segments) {
  if (!IsPageAligned(options.segment_bytes) || options.segment_bytes < kMinSegmentBytes ||
      options.segment_bytes > kMaxSegmentBytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("segment_bytes is %u; it must be a multiple of %u from %u to %u",
                        options.segment_bytes, PageSize(), kMinSegmentBytes, kMaxSegmentBytes));
  }
  if (options.max_frame_bytes > kMaxFrameBytes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "max_frame_bytes is %u; it must be at most %u", options.max_frame_bytes, kMaxFrameBytes));
  }
  const uint64_t largest =
      *RoundUpToPage(SegmentBytesForFrame(StampBytes(options) + options.max_frame_bytes));
  const uint64_t needed = options.segment_bytes + (largest > options.segment_bytes ? largest : 0);
  if (options.capacity_bytes < needed) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "capacity_bytes is %u; segment_bytes %u and max_frame_bytes %u need %u",
        options.capacity_bytes, options.segment_bytes, options.max_frame_bytes, needed));
  }
  if (segments.empty()) {
    return absl::InvalidArgumentError("a lane needs a segment to begin in; none was given");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LaneWriter>> LaneWriter::Create(MappedFile lane_file,
                                                               uint64_t lane_page_offset,
                                                               std::span<const FileExtent> segments,
                                                               const LaneWriterOptions& options,
                                                               SegmentSupply* supply) {
  if (absl::Status status = CheckOptions(options, segments); !status.ok()) return status;
  absl::StatusOr<Mapping> lane_mapping = Mapping::Map(lane_file, lane_page_offset, kHeaderPageBytes,
                                                      {.protection = Protection::kReadWrite,
                                                       .populate = Populate::kForWriting,
                                                       .guarded = SigbusGuard::installed()});
  if (!lane_mapping.ok()) return lane_mapping.status();
  CAUSEWAY_CRASH_POINT("writer.create.lane_page_mapped");
  LanePage& lane_page = PageAt<LanePage>(lane_mapping->mutable_data());
  if (IsPublished(lane_page.page)) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: the lane page at offset %u has been published before; a lane has one writer, for once",
        lane_file.label(), lane_page_offset));
  }
  std::unique_ptr<LaneWriter> writer(
      new LaneWriter(std::move(lane_file), *std::move(lane_mapping), options, supply));
  WriterSegments::Segment* first = nullptr;
  for (const FileExtent extent : segments) {
    absl::StatusOr<MappedSegment> segment = MapSegmentForWriting(*writer->lane_file_, extent);
    if (!segment.ok()) return segment.status();
    if (absl::Status status = writer->segments_.Adopt(*std::move(segment)); !status.ok()) {
      return status;
    }
    if (first == nullptr) first = writer->segments_.TakeFor(0, /*base_frame=*/0);
  }
  writer->UseSegment(*first);
  writer->held_bytes_.store(writer->segments_.held_bytes(), std::memory_order_relaxed);
  CAUSEWAY_CRASH_POINT("writer.create.segment_taken");
  // Release: the segment's header. Pairs with the acquire in LaneReader::Join().
  lane_page.oldest_offset.StoreRelease(first->extent.offset);
  CAUSEWAY_CRASH_POINT("writer.create.oldest_stored");
  lane_page.newest_offset.StoreRelease(first->extent.offset);
  CAUSEWAY_CRASH_POINT("writer.create.newest_stored");
  PublishPage({.kind = PageKind::kLane,
               .lane = options.identity,
               .offset = lane_page_offset,
               .length = kHeaderPageBytes},
              lane_page.page);
  return writer;
}

LaneWriter::LaneWriter(MappedFile lane_file, Mapping lane_mapping, const LaneWriterOptions& options,
                       SegmentSupply* supply)
    : stamp_bytes_(StampBytes(options)),
      fences_itself_(!RegisterForProcessBarriers()),
      in_line_bytes_(options.timestamps ? 0 : options.max_frame_bytes + 1),
      roster_(new Roster),
      options_(options),
      lane_file_(std::make_shared<const MappedFile>(std::move(lane_file))),
      lane_mapping_(std::move(lane_mapping)),
      lane_page_(&PageAt<LanePage>(lane_mapping_.mutable_data())),
      segments_(lane_file_->label(), options.identity,
                {.segment_bytes = options.segment_bytes,
                 .capacity_bytes = options.capacity_bytes,
                 .eager_bytes = options.grow_eagerly_bytes,
                 .keep_idle = options.keep_idle},
                supply),
      budget_(options.wait_mode == WaitMode::kAdaptive ? options.max_spin_nanos : 0) {}

LaneWriter::~LaneWriter() {
  if (segment_ != nullptr) Close();
  if (options_.sleep_watch != nullptr) options_.sleep_watch->Remove(this);
  delete roster_.load(std::memory_order_relaxed);
}

Claim LaneWriter::GiveRoom(uint64_t length) {
  if (stamp_bytes_ == 0) {
    claimed_.store(length + 1, std::memory_order_relaxed);
  } else {
    stamped_claim_ = length + 1;
  }
  return {segment_ + tail_ + kHeaderWordBytes + stamp_bytes_, static_cast<uint32_t>(length),
          Refusal::kNone};
}

Claim LaneWriter::ClaimSlow(uint64_t length) {
  if (stamp_bytes_ != 0 && length <= options_.max_frame_bytes &&
      tail_ + FrameSpan(stamp_bytes_ + length) <= limit_.load(std::memory_order_relaxed)) {
    return GiveRoom(length);
  }
  Abandon();
  // Readers may have to read it before there is room.
  CommitStaged();
  Refusal refusal = Refusal::kNone;
  if (closed_) {
    refusal = Refusal::kClosed;
  } else if (damaged_) {
    refusal = Refusal::kDamaged;
  } else if (fenced_.load(std::memory_order_acquire)) {
    refusal = Refusal::kFenced;
  } else if (length > options_.max_frame_bytes) {
    refusal = Refusal::kTooLarge;
  } else {
    refusal = Roll(stamp_bytes_ + length);
  }
  if (refusal != Refusal::kNone) return {.refusal = refusal};
  // The new segment has room. If Fence() came meanwhile, this one claim is still granted: it is the
  // same as a claim made just before.
  const Claim claim = GiveRoom(length);
  CAUSEWAY_CRASH_POINT("writer.claim.granted_after_roll");
  return claim;
}

Refusal LaneWriter::Roll(uint64_t length) {
  if (mapping_->damaged()) {
    RecordDamage(mapping_->damage());
    return Refusal::kDamaged;
  }
  if (lane_mapping_.damaged()) {
    RecordDamage(lane_mapping_.damage());
    return Refusal::kDamaged;
  }
  CAUSEWAY_CRASH_POINT("writer.roll.begun");
  if (patience_.has_value()) patience_->over = patience_->ends_at.HasPassed();
  const uint64_t held_before = segments_.held_bytes();
  segments_refused_.Add(segments_.AdoptReady(/*aside=*/IsPatient(length) && patience_->sets_aside));
  if (segments_.held_bytes() > held_before) lap_put_off_until_.reset();
  FreeRetiredRosters();
  GoQuietIfAwake();
  FreeLeftSegments();
  WriterSegments::Segment& last = segments_.current();
  const uint64_t frames = frames_.value();
  WriterSegments::Segment* next = segments_.TakeFor(length, frames);
  while (next == nullptr && !PutsLapOff(length) && LapOldestSegment(length))
    next = segments_.TakeFor(length, frames);
  // The frame's segment fits into the capacity, but not beside this one: readers are led past this
  // one by an empty segment, so that they can leave it.
  const bool passing = next == nullptr && segments_.CurrentIsInTheWay(length);
  if (passing) next = segments_.TakePassage(length, frames);
  if (next == nullptr) {
    CAUSEWAY_CRASH_POINT("writer.roll.lane_full");
    if (!passing) AskForMore(length);
    held_bytes_.store(segments_.held_bytes(), std::memory_order_relaxed);
    segment_waits_.Add(1);
    LeaveReadersAlone();
    return Refusal::kFull;
  }
  CAUSEWAY_CRASH_POINT("writer.roll.segment_taken");
  patience_.reset();
  // I3: published by the END below, and, for readers that skip to a later frame, by the release.
  last.header().next_length.StoreRelaxed(next->extent.length);
  CAUSEWAY_CRASH_POINT("writer.roll.next_length_stored");
  last.header().next_offset.StoreRelease(next->extent.offset);
  CAUSEWAY_CRASH_POINT("writer.roll.next_offset_stored");
  // Pairs with the acquire in LaneReader::TryNext(): the successor's header and its first word are
  // in place. Nobody is woken for this: there is no frame yet.
  HeaderWordAt(segment_, tail_)
      .StoreRelease(EncodeHeaderWord(0, FrameMark(FrameKind::kEnd, last.generation)));
  CAUSEWAY_CRASH_POINT("writer.roll.end_stored");
  rolls_.Add(1);
  if (next->used_before) recycles_.Add(1);
  // Pairs with the acquires of readers that begin at the latest frame.
  lane_page_->newest_offset.StoreRelease(next->extent.offset);
  CAUSEWAY_CRASH_POINT("writer.roll.newest_stored");
  UseSegment(*next);
  PublishProgress();
  CAUSEWAY_CRASH_POINT("writer.roll.progress_stored");
  // Not for ever: nothing is in the way now. Where nobody reads there is room at once.
  if (passing) return Roll(length);
  segments_.ShedIdle();
  segments_.RequestAhead(length, all_hold_.load(std::memory_order_relaxed));
  held_bytes_.store(segments_.held_bytes(), std::memory_order_relaxed);
  return Refusal::kNone;
}

bool LaneWriter::CommitStaged() {
  if (staged_offset_ == 0) return true;
  const uint64_t offset = std::exchange(staged_offset_, 0);
  CAUSEWAY_CRASH_POINT("writer.commit_staged.begun");
  if (stamp_bytes_ != 0) StampFrom(offset);
  // I2, for every frame of the batch. Pairs with the acquire in LaneReader::TryNext().
  HeaderWordAt(segment_, offset).StoreRelease(staged_word_);
  CAUSEWAY_CRASH_POINT("writer.commit_staged.header_word_stored");
  // I12. Pairs with the acquire in LaneReader::StandsStill(), which then finds the header word.
  if (stamp_bytes_ != 0) lane_page_->stamping.StoreRelease(0);
  {
    RosterUse use(*this);
    WakeParkedReaders();
  }
  return !mapping_->damaged() || RecordDamage(mapping_->damage());
}

void LaneWriter::FreeLeftSegments() {
  RosterUse use(*this);
  const Roster* const roster = roster_.load(std::memory_order_acquire);
  FreeSegments(segments_.CountLeft(LowestCursor(*roster, Wishes::kHeard)), *roster, Wishes::kHeard);
}

bool LaneWriter::IsPatient(uint64_t length) const {
  return patience_.has_value() && !patience_->over && segments_.ReadersHold(length);
}

void LaneWriter::AskForMore(uint64_t length) {
  if (!patience_.has_value() && segments_.ReadersHold(length) && segments_.IsBeyondEager(length)) {
    // What is on its way already is used as it comes.
    const bool grown = segments_.IsBeyondGoal(length);
    patience_ = {.ends_at = Deadline::After(options_.grow_patience),
                 .prepares_at = Deadline::After(options_.grow_patience / 2),
                 .prepared = !grown,
                 .sets_aside = grown};
    patience_->over = patience_->ends_at.HasPassed();
  }
  if (!IsPatient(length)) {
    if (!segments_.RequestFor(length)) return;
    supply_waits_.Add(1);
    segments_.GrowForNextTime(length);
    return;
  }
  if (!patience_->prepared) {
    if (!patience_->prepares_at.HasPassed()) return;
    patience_->prepared = true;
    segments_.GrowForNextTime(length);
  }
  segments_.RequestTowardsGoal(length);
}

bool LaneWriter::PutsLapOff(uint64_t length) {
  if (options_.lap_patience <= absl::ZeroDuration() || !segments_.RequestFor(length)) return false;
  if (!lap_put_off_until_.has_value()) {
    lap_put_off_until_ = Deadline::After(options_.lap_patience);
  }
  return !lap_put_off_until_->HasPassed();
}

bool LaneWriter::LapOldestSegment(uint64_t length) {
  RosterUse use(*this);
  const Roster* const roster = roster_.load(std::memory_order_acquire);
  const size_t left = segments_.CountLeft(LowestCursor(*roster, Wishes::kIgnored));
  if (!segments_.FreeingHelps(length, left)) return false;
  if (FreeSegments(1, *roster, Wishes::kIgnored) == 0) return false;
  CAUSEWAY_CRASH_POINT("writer.lap.segment_freed");
  laps_.Add(1);
  return true;
}

size_t LaneWriter::FreeSegments(size_t count, const Roster& roster, Wishes wishes) {
  if (count == 0) return 0;
  // I5. A reader that joins now must either find the new oldest segment, or be found here. Release:
  // that segment's header, for the reader that acquires it.
  lane_page_->oldest_offset.StoreRelease(segments_.OldestWithout(count).extent.offset);
  CAUSEWAY_CRASH_POINT("writer.free.oldest_stored");
  // Pairs with the barrier in SetRoster(), which stands between the store of the roster and that of
  // its version, on which the reader's load of oldest_offset depends.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const Roster* const again = roster_.load(std::memory_order_acquire);
  if (again != &roster) {
    // Cursors of readers that were there before only grow, so only a new roster can hold more.
    const size_t still = std::min(count, segments_.CountLeft(LowestCursor(*again, wishes)));
    if (still < count) {
      // Whoever has begun at the later segment meanwhile misses nothing that it was promised.
      lane_page_->oldest_offset.StoreRelease(segments_.OldestWithout(still).extent.offset);
      count = still;
      CAUSEWAY_CRASH_POINT("writer.free.taken_back");
    }
  }
  segments_.Free(count);
  CAUSEWAY_CRASH_POINT("writer.free.done");
  return count;
}

void LaneWriter::UseSegment(WriterSegments::Segment& segment) {
  segment_ = segment.mapping.mutable_data();
  tail_ = kHeaderPageBytes;
  mark_ = FrameMark(FrameKind::kData, segment.generation,
                    options_.timestamps ? FrameFlags::kStamped : FrameFlags::kNone);
  mapping_ = &segment.mapping;
  base_position_ = segment.base_position;
  // I8. seq_cst, with the stores in Fence(): whichever stores the limit last, it ends up zero once
  // the writer is fenced.
  limit_.store(segment.extent.length - kHeaderWordBytes, std::memory_order_seq_cst);
  if (fenced_.load(std::memory_order_seq_cst)) limit_.store(0, std::memory_order_seq_cst);
}

void LaneWriter::FreeRetiredRosters() {
  // Here the writer's thread looks at none. It never waits for the lock: what stays is freed later.
  if (!mutex_.TryLock()) return;
  retired_.clear();
  mutex_.Unlock();
}

uint64_t LaneWriter::LowestCursor(const Roster& roster, Wishes wishes) {
  uint64_t lowest = kPositionPastAll;
  uint64_t bad = 0;
  for (const Roster::Entry& entry : roster.entries) {
    if (entry.cursor->holds()) {
      lowest = std::min(lowest, entry.cursor->Position());
    } else if (wishes == Wishes::kHeard) {
      lowest = std::min(lowest, entry.cursor->Wish(segments_.oldest_position()));
    }
    if (entry.cursor->bad()) ++bad;
  }
  bad_cursors_.store(bad, std::memory_order_relaxed);
  return lowest;
}

uint64_t LaneWriter::LowestHold() {
  RosterUse use(*this);
  return LowestCursor(*roster_.load(std::memory_order_acquire), Wishes::kIgnored);
}

void LaneWriter::RingForSleepers(const Roster& roster) {
  bool ring = false;
  for (const Roster::Entry& entry : roster.entries) {
    const uint32_t sleep = entry.page->parked.LoadRelaxed();
    if (sleep != 0 && entry.cursor->FirstLookAtSleep(sleep)) ring = true;
  }
  if (!ring) return;
  CAUSEWAY_CRASH_POINT("writer.wake.sleeper_found");
  frames_at_sleep_.store(frames_.value(), std::memory_order_relaxed);
  Ring(lane_page_->doorbell);
  rings_.Add(1);
}

void LaneWriter::GoQuietIfAwake() {
  if (options_.sleep_watch == nullptr || fences_itself_) return;
  if (!looks_.load(std::memory_order_relaxed)) return;
  const uint64_t frames = frames_.value();
  if (frames - frames_at_sleep_.load(std::memory_order_relaxed) < kFramesBeforeQuiet) return;
  if (options_.sleep_watch->Watch(this)) return;
  frames_at_sleep_.store(frames, std::memory_order_relaxed);  // Not again at each roll.
}

bool LaneWriter::GoQuiet() {
  RosterUse use(*this);
  // Not worth it while somebody sleeps. Whoever falls asleep from here on is found by the watch:
  // its look comes after this, by its lock (I11).
  for (const Roster::Entry& entry : roster_.load(std::memory_order_acquire)->entries) {
    if (entry.page->parked.LoadRelaxed() != 0) return false;
  }
  looks_.store(false, std::memory_order_relaxed);
  lane_page_->writer_quiet.StoreRelaxed(1);
  CAUSEWAY_CRASH_POINT("writer.quiet.stored");
  return true;
}

bool LaneWriter::ListDoorbells(std::vector<WaitedWord>* words) {
  absl::MutexLock lock(&mutex_);
  const Roster& roster = *roster_.load(std::memory_order_relaxed);
  for (const Roster::Entry& entry : roster.entries) {
    words->push_back(
        {.address = entry.page->doorbell.address(), .value = entry.page->doorbell.LoadRelaxed()});
  }
  // A reader that parks stores `parked`, then rings: one that is not found parked after this rings
  // later, which ends the wait.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (const Roster::Entry& entry : roster.entries) {
    if (entry.page->parked.LoadRelaxed() != 0) return false;
  }
  return true;
}

void LaneWriter::Resume() {
  frames_at_sleep_.store(frames_.value(), std::memory_order_relaxed);
  lane_page_->writer_quiet.StoreRelaxed(0);
  CAUSEWAY_CRASH_POINT("writer.quiet.cleared");
  looks_.store(true, std::memory_order_relaxed);
  // I11. The increment is a full fence. Whoever is woken looks, and before it sleeps again looks
  // once more behind a barrier: a commit that did not look lies before that barrier, any later one
  // looks.
  Ring(lane_page_->doorbell);
}

Refusal LaneWriter::TryWrite(std::span<const std::byte> payload) {
  return FillAndCommit(TryClaim(payload.size()), payload);
}

Refusal LaneWriter::WriteUntil(std::span<const std::byte> payload, Deadline deadline) {
  return FillAndCommit(ClaimUntil(payload.size(), deadline), payload);
}

Refusal LaneWriter::FillAndCommit(const Claim& claim, std::span<const std::byte> payload) {
  if (!claim) return claim.refusal;
  if (!payload.empty()) std::memcpy(claim.data, payload.data(), payload.size());
  return Commit(payload.size()) ? Refusal::kNone : Refusal::kDamaged;
}

void LaneWriter::Close() {
  Abandon();
  if (closed_) return;
  CommitStaged();
  closed_ = true;
  limit_.store(0, std::memory_order_relaxed);
  // The coordinator ends the lane of a fenced writer, and says how.
  if (damaged_ || fenced_.load(std::memory_order_acquire)) return;
  CAUSEWAY_CRASH_POINT("writer.close.begun");
  // Pairs with the acquire in LaneReader::TryNext().
  HeaderWordAt(segment_, tail_)
      .StoreRelease(
          EncodeHeaderWord(0, FrameMark(FrameKind::kClose, segments_.current().generation)));
  CAUSEWAY_CRASH_POINT("writer.close.close_stored");
  PublishProgress();
  if (looks_.load(std::memory_order_relaxed)) {
    RosterUse use(*this);
    WakeParkedReaders();
  } else {
    Ring(lane_page_->doorbell);  // The watch may not get to it any more.
  }
}

void LaneWriter::PublishProgress() {
  // Relaxed: for people; nothing is read on the strength of it.
  lane_page_->committed_position.StoreRelaxed(head());
}

bool LaneWriter::RecordDamage(absl::Status status) {
  damaged_ = true;
  limit_.store(0, std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  if (status_.ok()) status_ = std::move(status);
  return false;
}

}  // namespace causeway
