#include "agents/writer_lane.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mmapcore/deadline.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

// How long a wait goes on before it asks whether there is still something to wait for.
constexpr absl::Duration kTurn = absl::Milliseconds(50);

// After a refusal, the coordinator is left alone for this long.
constexpr absl::Duration kPauseAfterRefusal = absl::Milliseconds(200);

Deadline NextTurn(Deadline deadline) { return Earlier(deadline, Deadline::After(kTurn)); }

}  // namespace

absl::StatusOr<std::shared_ptr<WriterLane>> WriterLane::Create(
    MappedFile lane_file, uint64_t lane_page_offset, const std::vector<FileExtent>& segments,
    const LaneWriterOptions& options, Calls calls) {
  std::shared_ptr<WriterLane> result(new WriterLane(std::move(calls)));
  absl::StatusOr<std::unique_ptr<LaneWriter>> lane =
      LaneWriter::Create(std::move(lane_file), lane_page_offset, segments, options, result.get());
  if (!lane.ok()) return lane.status();
  result->lane_ = *std::move(lane);
  return result;
}

WriterLane::~WriterLane() { Close(); }

absl::StatusOr<Claim> WriterLane::ClaimUntil(uint64_t length, absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  const uint64_t known = refusals();
  while (true) {
    const Claim claim = lane_->ClaimUntil(length, NextTurn(deadline));
    if (claim) return claim;
    if (claim.refusal != Refusal::kTimedOut && claim.refusal != Refusal::kFull) {
      return Refused(claim.refusal, length);
    }
    // What was refused before may be granted by now: as long as there is time, it is asked again.
    const bool last = deadline.HasPassed();
    if (last || refusals() != known) {
      if (std::optional<absl::Status> hopeless = HopelessFor(length)) return *hopeless;
    }
    if (last) {
      return TimedOut(absl::StrFormat("room for %d bytes", length).c_str(), timeout);
    }
  }
}

uint64_t WriterLane::refusals() const {
  absl::MutexLock lock(&supply_mutex_);
  return refusals_;
}

std::optional<absl::Status> WriterLane::HopelessFor(uint64_t length) const {
  absl::Status refusal;
  {
    absl::MutexLock lock(&supply_mutex_);
    refusal = refusal_;
  }
  if (refusal.ok()) return std::nullopt;
  // Readers that move on free segments, but none that is larger than the ordinary ones.
  const uint64_t stamp_bytes = lane_->options().timestamps ? kTimestampBytes : 0;
  const bool large = SegmentBytesForFrame(stamp_bytes + length) > lane_->options().segment_bytes;
  if (!large && lane_->reader_count() > 0) return std::nullopt;
  absl::Status result(refusal.code(),
                      absl::StrFormat("no room for a frame of %d bytes in lane %d: %s", length,
                                      lane_->options().identity.lane_id, refusal.message()));
  refusal.ForEachPayload([&result](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

absl::Status WriterLane::Refused(Refusal refusal, uint64_t length) const {
  switch (refusal) {
    case Refusal::kTooLarge:
      return absl::InvalidArgumentError(
          absl::StrFormat("a frame of %d bytes; the stream's max_frame_bytes is %d", length,
                          lane_->options().max_frame_bytes));
    case Refusal::kClosed:
      return absl::FailedPreconditionError("the writer was closed");
    default: {
      absl::Status status = lane_->status();
      if (status.ok()) status = absl::InternalError("the lane gives no room, and no reason");
      return status;
    }
  }
}

absl::Status WriterLane::TimedOut(const char* what, absl::Duration timeout) const {
  std::string text = absl::StrFormat("waited %s for %s in lane %d", absl::FormatDuration(timeout),
                                     what, lane_->options().identity.lane_id);
  std::vector<ReaderLag> lags = Lags(lane_->head());
  // Others are not waited for.
  std::erase_if(lags, [](const ReaderLag& lag) { return !Holds(lag.policy); });
  const auto slowest = std::max_element(
      lags.begin(), lags.end(),
      [](const ReaderLag& a, const ReaderLag& b) { return a.lag_bytes < b.lag_bytes; });
  if (slowest != lags.end()) {
    absl::StrAppendFormat(&text, "; the slowest of %d, %s, is %d bytes behind", lags.size(),
                          slowest->label, slowest->lag_bytes);
  }
  absl::MutexLock lock(&supply_mutex_);
  if (!refusal_.ok()) absl::StrAppend(&text, "; the lane cannot grow: ", refusal_.message());
  return absl::DeadlineExceededError(text);
}

absl::Status WriterLane::WaitForReaders(size_t count, absl::Duration timeout) {
  if (lane_->WaitForReadersUntil(count, Deadline::After(timeout))) return absl::OkStatus();
  if (absl::Status status = lane_->status(); !status.ok()) return status;
  return absl::DeadlineExceededError(absl::StrFormat(
      "waited %s for %d readers of lane %d; there are %d", absl::FormatDuration(timeout), count,
      lane_->options().identity.lane_id, lane_->reader_count()));
}

absl::Status WriterLane::Drain(absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  while (!lane_->DrainUntil(NextTurn(deadline))) {
    if (absl::Status status = lane_->status(); !status.ok()) return status;
    if (deadline.HasPassed()) return TimedOut("readers to consume everything", timeout);
  }
  return lane_->status();
}

void WriterLane::Close() {
  const WriterCounters last = counters();
  std::unique_ptr<LaneWriter> lane;
  {
    absl::MutexLock lock(&mutex_);
    last_counters_ = last;
    lane = std::move(lane_);
    readers_.clear();
  }
  if (lane == nullptr) return;
  lane->Close();
  std::deque<MappedSegment> unused;
  absl::MutexLock lock(&supply_mutex_);
  unused.swap(ready_);
}

absl::Status WriterLane::Join(JoiningReader reader) {
  absl::MutexLock lock(&mutex_);
  if (lane_ == nullptr) return absl::OkStatus();
  if (!readers_.contains(reader.reader_id)) {
    absl::StatusOr<std::shared_ptr<ReaderCursor>> cursor =
        ReaderCursor::Map(reader.cursor_file, reader.cursor.offset, lane_->options().identity,
                          reader.reader_id, reader.policy);
    if (!cursor.ok()) {
      failed_[reader.reader_id] = reader.roster_version;
      return cursor.status();
    }
    failed_.erase(reader.reader_id);
    readers_[reader.reader_id] = {std::move(reader.label), *std::move(cursor)};
  }
  roster_version_ = std::max(roster_version_, reader.roster_version);
  InstallRoster();
  return absl::OkStatus();
}

bool WriterLane::Leave(uint64_t reader_id, uint64_t roster_version) {
  absl::MutexLock lock(&mutex_);
  if (lane_ == nullptr || readers_.erase(reader_id) + failed_.erase(reader_id) == 0) return false;
  roster_version_ = std::max(roster_version_, roster_version);
  InstallRoster();
  return true;
}

void WriterLane::KeepOnly(const std::vector<uint64_t>& reader_ids) {
  absl::MutexLock lock(&mutex_);
  if (lane_ == nullptr) return;
  const auto left = [&reader_ids](const auto& reader) {
    return std::find(reader_ids.begin(), reader_ids.end(), reader.first) == reader_ids.end();
  };
  absl::erase_if(readers_, left);
  absl::erase_if(failed_, left);
  InstallRoster();
}

void WriterLane::InstallRoster() {
  std::vector<std::shared_ptr<ReaderCursor>> cursors;
  cursors.reserve(readers_.size());
  for (const auto& [id, reader] : readers_) cursors.push_back(reader.cursor);
  uint64_t version = roster_version_;
  for (const auto& [id, failed_version] : failed_) version = std::min(version, failed_version - 1);
  lane_->SetRoster(std::move(cursors), version);
}

absl::Status WriterLane::SegmentGranted(FileExtent segment) {
  std::shared_ptr<const MappedFile> file;
  {
    absl::MutexLock lock(&mutex_);
    if (lane_ == nullptr) return absl::OkStatus();  // It goes back with the lane.
    file = lane_->file();
  }
  absl::StatusOr<MappedSegment> mapped = MapSegmentForWriting(*file, segment);
  if (!mapped.ok()) {
    SegmentRefused(mapped.status());
    return mapped.status();
  }
  {
    absl::MutexLock lock(&supply_mutex_);
    ready_.push_back(*std::move(mapped));
    requested_ = false;
    refusal_ = absl::OkStatus();
    ++granted_;
  }
  absl::MutexLock lock(&mutex_);
  if (lane_ != nullptr) lane_->attention().Raise();
  return absl::OkStatus();
}

void WriterLane::SegmentRefused(absl::Status why) {
  {
    absl::MutexLock lock(&supply_mutex_);
    requested_ = false;
    refusal_ = std::move(why);
    ++refusals_;
    no_request_before_ = absl::Now() + kPauseAfterRefusal;
  }
  absl::MutexLock lock(&mutex_);
  if (lane_ != nullptr) lane_->attention().Raise();
}

void WriterLane::SegmentDelayed(absl::Status why) {
  {
    absl::MutexLock lock(&supply_mutex_);
    refusal_ = std::move(why);
    ++refusals_;
  }
  absl::MutexLock lock(&mutex_);
  if (lane_ != nullptr) lane_->attention().Raise();
}

void WriterLane::Fence(absl::Status why) {
  absl::MutexLock lock(&mutex_);
  if (lane_ == nullptr) return;
  lane_->Fence(std::move(why));
  lane_->attention().Raise();
}

std::optional<MappedSegment> WriterLane::TakeReady() {
  absl::MutexLock lock(&supply_mutex_);
  if (ready_.empty()) return std::nullopt;
  MappedSegment segment = std::move(ready_.front());
  ready_.pop_front();
  return segment;
}

void WriterLane::RequestAhead(uint64_t bytes) {
  {
    absl::MutexLock lock(&supply_mutex_);
    if (requested_ || !ready_.empty()) return;
    if (!refusal_.ok() && absl::Now() < no_request_before_) return;
    requested_ = true;
  }
  calls_.request_segment(bytes);
}

void WriterLane::Return(MappedSegment segment) {
  calls_.return_segment(std::make_shared<MappedSegment>(std::move(segment)));
}

size_t WriterLane::readers() const {
  absl::MutexLock lock(&mutex_);
  return readers_.size();
}

std::vector<ReaderLag> WriterLane::Lags(uint64_t head) const {
  std::vector<ReaderLag> lags;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, reader] : readers_) {
    // Relaxed: a number for people. What the reader wrote there may be anything.
    const uint64_t position = reader.cursor->page().position.LoadRelaxed();
    lags.push_back({id, reader.label, head - std::min(head, position), reader.cursor->policy()});
  }
  return lags;
}

WriterCounters WriterLane::counters() const {
  absl::MutexLock lock(&mutex_);
  if (lane_ == nullptr) return last_counters_;
  const LaneWriterCounters lane = lane_->counters();
  absl::MutexLock supply_lock(&supply_mutex_);
  return {.frames = lane.frames,
          .payload_bytes = lane.payload_bytes,
          .segments_rolled = lane.rolls,
          .segments_granted = granted_,
          .waits = lane.segment_waits,
          .waits_for_grants = lane.supply_waits,
          .laps = lane.laps};
}

}  // namespace causeway
