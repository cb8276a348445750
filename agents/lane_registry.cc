#include "agents/lane_registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/wire.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/page.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

// Events that are kept for what is being opened. More than that would be a coordinator gone wrong;
// the rest comes again with the next snapshot.
constexpr size_t kMaxKept = 8192;

std::optional<EndCause> FromWire(v1::EndCause cause) {
  switch (cause) {
    case v1::END_CAUSE_CLOSED:
      return EndCause::kClosed;
    case v1::END_CAUSE_DIED:
      return EndCause::kDied;
    case v1::END_CAUSE_EVICTED:
      return EndCause::kEvicted;
    default:
      return std::nullopt;
  }
}

// One page of a lane's or a cursor's file, as an event names it.
absl::Status CheckPage(const v1::Extent& extent, const char* what) {
  if (extent.length() == kHeaderPageBytes && IsPageAligned(extent.offset())) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrFormat("%s at offset %d, length %d of file %d is no page",
                                             what, extent.offset(), extent.length(),
                                             extent.file_id()));
}

}  // namespace

LaneRegistry::Opening::Opening(LaneRegistry& registry) : registry_(registry) {
  absl::MutexLock lock(&registry_.mutex_);
  ++registry_.openings_;
}

LaneRegistry::Opening::~Opening() {
  std::vector<HandoffMessage> dropped;  // Closes descriptors outside of the lock.
  absl::MutexLock lock(&registry_.mutex_);
  if (--registry_.openings_ == 0) dropped.swap(registry_.kept_);
}

void LaneRegistry::Connected(bool resumed) {
  std::vector<HandoffMessage> dropped;
  absl::MutexLock lock(&mutex_);
  dropped.swap(kept_);  // Said again in the snapshot.
  if (resumed) {
    snapshot_.emplace();
  } else {
    snapshot_.reset();
  }
}

void LaneRegistry::Disconnected() {
  snapshot_.reset();
  absl::MutexLock lock(&mutex_);
  for (auto& [id, answer] : brought_) {
    if (answer.has_value()) continue;
    answer.emplace();
    answer->set_code(static_cast<int32_t>(absl::StatusCode::kUnavailable));
    answer->set_message("the connection to the coordinator was lost");
  }
}

void LaneRegistry::Obey(HandoffMessage message) {
  if (message.event.has_snapshot_done()) {
    if (snapshot_.has_value()) ObeySnapshot();
    return;
  }
  if (snapshot_.has_value()) {
    snapshot_->push_back(std::move(message));
    return;
  }
  ObeyNow(std::move(message));
}

void LaneRegistry::ObeyNow(HandoffMessage message) {
  switch (message.event.event_case()) {
    case v1::HandoffEvent::kDescriptorGranted:
      return ObeyDescriptor(std::move(message));
    case v1::HandoffEvent::kReaderJoined:
      return ObeyReaderJoined(std::move(message));
    case v1::HandoffEvent::kReaderLeft:
      return ObeyReaderLeft(std::move(message));
    case v1::HandoffEvent::kLaneOpened:
      return ObeyLaneOpened(std::move(message));
    case v1::HandoffEvent::kLaneEnded:
      return ObeyLaneEnded(std::move(message));
    case v1::HandoffEvent::kPeerProcess:
      return peer_watch_.Watch(message.event.peer_process().session_id(), std::move(message.fd));
    case v1::HandoffEvent::kFileBrought:
      return ObeyBrought(message.event.file_brought());
    default:
      return;
  }
}

void LaneRegistry::ObeySnapshot() {
  CAUSEWAY_CRASH_POINT("agent.snapshot.complete");
  std::vector<HandoffMessage> events = *std::move(snapshot_);
  snapshot_.reset();
  absl::flat_hash_map<uint64_t, std::vector<uint64_t>> readers_of_lane;
  absl::flat_hash_map<uint64_t, std::vector<uint64_t>> lanes_of_reader;
  absl::flat_hash_set<uint64_t> granted_files;
  peer_watch_.Restart();
  for (HandoffMessage& message : events) {
    if (message.event.has_reader_joined()) {
      const v1::ReaderJoined& joined = message.event.reader_joined();
      readers_of_lane[joined.lane_id()].push_back(joined.reader_id());
    } else if (message.event.has_lane_opened()) {
      const v1::LaneOpened& opened = message.event.lane_opened();
      lanes_of_reader[opened.reader_id()].push_back(opened.lane_id());
    } else if (message.event.has_descriptor_granted()) {
      granted_files.insert(message.event.descriptor_granted().file_id());
    }
    ObeyNow(std::move(message));
  }
  // What is fenced is none of the session's any more: its ids may come again for something else.
  Writers writers;
  Readers readers;
  Writers unknown_writers;
  Readers unknown_readers;
  {
    absl::MutexLock lock(&mutex_);
    const auto keep = [&](auto& all, auto& known,
                          auto& unknown) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      for (const auto& [id, opened] : all) {
        if (granted_files.contains(opened.file_id)) {
          known.emplace(id, opened);
        } else if (!opened.closes) {  // Else the last coordinator has obeyed, but not answered.
          unknown.emplace(id, opened);
        }
      }
      for (const auto& [id, opened] : unknown) {
        all.erase(id);
        taken_files_.erase(opened.file_id);
      }
    };
    keep(writers_, writers, unknown_writers);
    keep(readers_, readers, unknown_readers);
  }
  for (const auto& [id, writer] : writers) {
    writer.lanes->KeepOnly(readers_of_lane[id]);
    peer_watch_.KeepReadersOf(id, readers_of_lane[id]);
  }
  for (const auto& [id, reader] : readers) {
    reader.lanes->KeepOnly(lanes_of_reader[id]);
    peer_watch_.KeepLanesOf(id, lanes_of_reader[id]);
  }
  for (const auto& [id, writer] : unknown_writers) FenceUnknown("lane", id, *writer.lanes);
  for (const auto& [id, reader] : unknown_readers) FenceUnknown("reader", id, *reader.lanes);
  CAUSEWAY_CRASH_POINT("agent.snapshot.obeyed");
}

template <typename Lanes>
void LaneRegistry::FenceUnknown(const char* what, uint64_t id, Lanes& lanes) {
  const absl::Status why = absl::FailedPreconditionError(absl::StrFormat(
      "%s %d is unknown to the coordinator, whose state is older than the %s; what was committed "
      "stays readable for those who have it; open another one",
      what, id, what));
  lanes.Fence(why);
  Reject(std::string(why.message()));
}

void LaneRegistry::ObeyDescriptor(HandoffMessage message) {
  const v1::DescriptorGranted& granted = message.event.descriptor_granted();
  absl::StatusOr<MappedFile> file = MappedFile::FromFd(std::move(message.fd), granted.label());
  if (!file.ok()) {
    return Reject(
        absl::StrFormat("descriptor of file %d: %s", granted.file_id(), file.status().message()));
  }
  file->SetInherited(false);
  const bool writable = file->protection() == Protection::kReadWrite;
  if (writable != (granted.protection() == v1::PROTECTION_READ_WRITE)) {
    return Reject(absl::StrFormat("descriptor of file %d (%s) has other rights than granted",
                                  granted.file_id(), granted.label()));
  }
  absl::MutexLock lock(&mutex_);
  if (taken_files_.contains(granted.file_id())) return;
  files_.try_emplace(granted.file_id(), std::make_shared<MappedFile>(*std::move(file)));
}

void LaneRegistry::ObeyReaderJoined(HandoffMessage message) {
  const v1::ReaderJoined joined = message.event.reader_joined();
  const std::shared_ptr<WriterLane> lane = FindWriter(joined.lane_id());
  if (lane == nullptr) {
    Keep(message);
    return;
  }
  absl::Status status = CheckPage(joined.cursor(), "a cursor");
  if (status.ok()) {
    absl::StatusOr<MappedFile> file = MappedFile::FromFd(
        std::move(message.fd), absl::StrFormat("cursors of reader %d", joined.reader_id()));
    status = file.status();
    if (file.ok()) {
      file->SetInherited(false);
      CAUSEWAY_CRASH_POINT("agent.roster.reader_joins");
      status = lane->Join({joined.reader_id(),
                           joined.label(),
                           *std::move(file),
                           {joined.cursor().offset(), joined.cursor().length()},
                           joined.roster_version(),
                           FromWire(joined.policy())});
    }
  }
  if (!status.ok()) return Reject(absl::StrCat(joined.label(), ": ", status.message()));
  CAUSEWAY_CRASH_POINT("agent.roster.reader_joined");
  peer_watch_.Add(joined.reader_session_id(),
                  {PeerWatch::Role::kReader, joined.lane_id(), joined.reader_id()});
  tell_({.kind = AgentEvent::Kind::kReaderJoined,
         .lane_id = joined.lane_id(),
         .reader_id = joined.reader_id(),
         .text = absl::StrFormat("%s reads lane %d", joined.label(), joined.lane_id())});
}

void LaneRegistry::ObeyReaderLeft(HandoffMessage message) {
  const v1::ReaderLeft left = message.event.reader_left();
  const std::shared_ptr<WriterLane> lane = FindWriter(left.lane_id());
  if (lane == nullptr) {
    Keep(message);
    return;
  }
  const PeerWatch::Link link = {PeerWatch::Role::kReader, left.lane_id(), left.reader_id()};
  const bool told = peer_watch_.Forget(link);
  if (lane->Leave(link.reader_id, left.roster_version()) && !told) {
    TellReaderLeft(link, FromWire(left.cause()).value_or(EndCause::kClosed));
  }
}

void LaneRegistry::TellReaderLeft(const PeerWatch::Link& link, EndCause cause) {
  CAUSEWAY_CRASH_POINT("agent.roster.reader_left");
  tell_({.kind = AgentEvent::Kind::kReaderLeft,
         .lane_id = link.lane_id,
         .reader_id = link.reader_id,
         .text = absl::StrFormat("reader %d of lane %d: %s", link.reader_id, link.lane_id,
                                 EndCauseName(cause))});
}

void LaneRegistry::ObeyLaneOpened(HandoffMessage message) {
  const v1::LaneOpened opened = message.event.lane_opened();
  const std::shared_ptr<ReaderLanes> lanes = FindReader(opened.reader_id());
  if (lanes == nullptr) {
    Keep(message);
    return;
  }
  absl::Status status = CheckPage(opened.lane_page(), "a lane page");
  if (status.ok()) status = CheckPage(opened.cursor(), "a cursor");
  if (status.ok()) {
    absl::StatusOr<MappedFile> file = MappedFile::FromFd(std::move(message.fd), opened.label());
    status = file.status();
    if (file.ok()) {
      file->SetInherited(false);
      CAUSEWAY_CRASH_POINT("agent.lane.opens");
      status = lanes->AddLane({.identity = {opened.stream_id(), opened.lane_id(), opened.epoch()},
                               .label = opened.label(),
                               .file = *std::move(file),
                               .lane_page_offset = opened.lane_page().offset(),
                               .cursor_offset = opened.cursor().offset(),
                               .roster_version = opened.roster_version()});
    }
  }
  if (!status.ok()) return Reject(absl::StrCat(opened.label(), ": ", status.message()));
  CAUSEWAY_CRASH_POINT("agent.lane.opened");
  peer_watch_.Add(opened.writer_session_id(),
                  {PeerWatch::Role::kWriter, opened.lane_id(), opened.reader_id()});
  tell_({.kind = AgentEvent::Kind::kLaneOpened,
         .lane_id = opened.lane_id(),
         .reader_id = opened.reader_id(),
         .text = absl::StrFormat("%s for reader %d", opened.label(), opened.reader_id())});
}

void LaneRegistry::ObeyLaneEnded(HandoffMessage message) {
  const v1::LaneEnded ended = message.event.lane_ended();
  const std::shared_ptr<ReaderLanes> lanes = FindReader(ended.reader_id());
  if (lanes == nullptr) {
    Keep(message);
    return;
  }
  const std::optional<EndCause> cause = FromWire(ended.cause());
  if (!cause.has_value()) {
    return Reject(absl::StrFormat("end of lane %d with cause %d", ended.lane_id(), ended.cause()));
  }
  const PeerWatch::Link link = {PeerWatch::Role::kWriter, ended.lane_id(), ended.reader_id()};
  EndLane(*lanes, link, *cause, /*tell=*/!peer_watch_.Forget(link));
}

void LaneRegistry::ObeyDeaths() {
  for (const auto& [link, is_news] : peer_watch_.TakeDead()) {
    if (link.peer == PeerWatch::Role::kWriter) {
      const std::shared_ptr<ReaderLanes> lanes = FindReader(link.reader_id);
      if (lanes != nullptr) EndLane(*lanes, link, EndCause::kDied, is_news);
    } else {
      const std::shared_ptr<WriterLane> lane = FindWriter(link.lane_id);
      // The version stays: only those who join wait for one.
      if (lane != nullptr && lane->Leave(link.reader_id, 0) && is_news) {
        TellReaderLeft(link, EndCause::kDied);
      }
    }
  }
}

void LaneRegistry::EndLane(ReaderLanes& lanes, const PeerWatch::Link& link, EndCause cause,
                           bool tell) {
  CAUSEWAY_CRASH_POINT("agent.lane.ends");
  lanes.EndLane(link.lane_id, cause);
  CAUSEWAY_CRASH_POINT("agent.lane.ended");
  if (!tell) return;
  tell_({.kind = AgentEvent::Kind::kLaneEnded,
         .lane_id = link.lane_id,
         .reader_id = link.reader_id,
         .text = absl::StrFormat("lane %d for reader %d: %s", link.lane_id, link.reader_id,
                                 EndCauseName(cause))});
}

void LaneRegistry::ObeyBrought(const v1::FileBrought& brought) {
  absl::MutexLock lock(&mutex_);
  auto waiting = brought_.find(brought.request_id());
  if (waiting != brought_.end() && !waiting->second.has_value()) waiting->second = brought;
}

bool LaneRegistry::Keep(HandoffMessage& message) {
  absl::MutexLock lock(&mutex_);
  if (openings_ == 0 || kept_.size() >= kMaxKept) return false;
  kept_.push_back(std::move(message));
  return true;
}

void LaneRegistry::ObeyKept() {
  std::vector<HandoffMessage> kept;
  {
    absl::MutexLock lock(&mutex_);
    kept.swap(kept_);
  }
  for (HandoffMessage& message : kept) ObeyNow(std::move(message));  // Some are kept again.
}

void LaneRegistry::AddWriter(uint64_t lane_id, uint64_t file_id, std::shared_ptr<WriterLane> lane) {
  {
    absl::MutexLock lock(&mutex_);
    if (!fenced_.ok()) return lane->Fence(fenced_);
    writers_[lane_id] = {file_id, std::move(lane)};
  }
  ObeyKept();
}

void LaneRegistry::AddReader(uint64_t reader_id, uint64_t file_id,
                             std::shared_ptr<ReaderLanes> lanes) {
  {
    absl::MutexLock lock(&mutex_);
    if (!fenced_.ok()) return lanes->Fence(fenced_);
    readers_[reader_id] = {file_id, std::move(lanes)};
  }
  ObeyKept();
}

void LaneRegistry::WriterCloses(uint64_t lane_id) {
  absl::MutexLock lock(&mutex_);
  if (const auto found = writers_.find(lane_id); found != writers_.end()) {
    found->second.closes = true;
  }
}

void LaneRegistry::ReaderCloses(uint64_t reader_id) {
  absl::MutexLock lock(&mutex_);
  if (const auto found = readers_.find(reader_id); found != readers_.end()) {
    found->second.closes = true;
  }
}

void LaneRegistry::RemoveWriter(uint64_t lane_id, uint64_t file_id) {
  absl::MutexLock lock(&mutex_);
  writers_.erase(lane_id);
  taken_files_.erase(file_id);
  peer_watch_.ForgetLane(lane_id);
}

void LaneRegistry::RemoveReader(uint64_t reader_id, uint64_t file_id) {
  absl::MutexLock lock(&mutex_);
  readers_.erase(reader_id);
  taken_files_.erase(file_id);
  peer_watch_.ForgetReader(reader_id);
}

std::shared_ptr<WriterLane> LaneRegistry::FindWriter(uint64_t lane_id) const {
  absl::MutexLock lock(&mutex_);
  const auto lane = writers_.find(lane_id);
  return lane == writers_.end() ? nullptr : lane->second.lanes;
}

std::shared_ptr<ReaderLanes> LaneRegistry::FindReader(uint64_t reader_id) const {
  absl::MutexLock lock(&mutex_);
  const auto lanes = readers_.find(reader_id);
  return lanes == readers_.end() ? nullptr : lanes->second.lanes;
}

absl::StatusOr<std::shared_ptr<MappedFile>> LaneRegistry::ShareFile(uint64_t file_id,
                                                                    absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  const auto settled = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return files_.contains(file_id) || !fenced_.ok();
  };
  mutex_.AwaitWithDeadline(absl::Condition(&settled), deadline);
  if (!fenced_.ok()) return fenced_;
  const auto file = files_.find(file_id);
  if (file == files_.end()) {
    return absl::UnavailableError(absl::StrFormat(
        "the coordinator granted file %d, but its descriptor has not come", file_id));
  }
  return file->second;
}

absl::StatusOr<MappedFile> LaneRegistry::TakeFile(uint64_t file_id, absl::Time deadline) {
  absl::StatusOr<std::shared_ptr<MappedFile>> file = ShareFile(file_id, deadline);
  if (!file.ok()) return file.status();
  absl::MutexLock lock(&mutex_);
  files_.erase(file_id);
  taken_files_.insert(file_id);
  return std::move(**file);
}

void LaneRegistry::ForgetFile(uint64_t file_id) {
  absl::MutexLock lock(&mutex_);
  files_.erase(file_id);
}

void LaneRegistry::ExpectBrought(uint64_t request_id) {
  absl::MutexLock lock(&mutex_);
  brought_.try_emplace(request_id);
}

absl::StatusOr<BroughtFile> LaneRegistry::AwaitBrought(uint64_t request_id, absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  const auto settled = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return brought_.at(request_id).has_value() || !fenced_.ok();
  };
  mutex_.AwaitWithDeadline(absl::Condition(&settled), deadline);
  const std::optional<v1::FileBrought> answer = std::move(brought_.extract(request_id).mapped());
  if (!fenced_.ok()) return fenced_;
  if (!answer.has_value()) {
    return absl::UnavailableError("the coordinator has not answered; try again");
  }
  if (answer->file_id() == 0) {
    const auto code = static_cast<absl::StatusCode>(answer->code());
    return absl::Status(code == absl::StatusCode::kOk ? absl::StatusCode::kUnknown : code,
                        answer->message());
  }
  return BroughtFile{answer->file_id()};
}

void LaneRegistry::Fence(const absl::Status& why) {
  Writers writers;
  Readers readers;
  absl::MutexLock lock(&mutex_);
  if (!fenced_.ok()) return;
  fenced_ = why;
  writers.swap(writers_);
  readers.swap(readers_);
  for (auto& [id, writer] : writers) writer.lanes->Fence(why);
  for (auto& [id, reader] : readers) reader.lanes->Fence(why);
}

std::string LaneRegistry::Holdings() const {
  absl::MutexLock lock(&mutex_);
  if (writers_.empty() && readers_.empty()) return "";
  return absl::StrFormat("%d writers, %d readers", writers_.size(), readers_.size());
}

}  // namespace causeway
