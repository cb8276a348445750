#include "tests/faults/crash_histories.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace causeway::faults {

using Kind = CrashRecord::Kind;

CrashHistories::CrashHistories(absl::Duration patience, OnRecord on_record)
    : patience_(patience), on_record_(std::move(on_record)) {}

void CrashHistories::AddWriter(CrashLog* log) { writers_[log] = {}; }

void CrashHistories::AddReader(const std::string& name, ReaderPolicy policy, CrashLog* log,
                               bool reference) {
  readers_[log] = {.name = name, .policy = policy, .reference = reference};
}

void CrashHistories::Died(CrashLog* log) {
  if (const auto writer = writers_.find(log); writer != writers_.end()) {
    TakeFrom(*log, writer->second);
    if (writer->second.lane.has_value()) {
      EndLane(*writer->second.lane, log->begun(), log->committed());
    }
    writers_.erase(writer);
  }
  if (const auto reader = readers_.find(log); reader != readers_.end()) {
    const uint64_t end = log->written();
    for (auto& [other, writer] : writers_) TakeFrom(*other, writer);
    TakeFrom(*log, reader->second, end);
    CloseSession(reader->second);
    readers_.erase(reader);
  }
}

void CrashHistories::Take() {
  // A frame that is in a reader's log by now was committed after its lane was opened, and the
  // writer's log says so already.
  std::vector<uint64_t> ends;
  for (const auto& [log, reader] : readers_) ends.push_back(log->written());
  for (auto& [log, writer] : writers_) TakeFrom(*log, writer);
  auto end = ends.begin();
  for (auto& [log, reader] : readers_) TakeFrom(*log, reader, *end++);
  JudgeEnded();
}

void CrashHistories::TakeFrom(CrashLog& log, WriterLog& writer) {
  for (const uint64_t end = log.written(); log.read() < end;) {
    const CrashRecord record = log.Next();
    on_record_(log, record, LaneOpened(record));
    if (record.kind == Kind::kWriterOpened) {
      writer.lane = record.frame.lane_id;
      OpenLane(record);
    } else if (record.kind == Kind::kWriterClosing) {
      EndLane(record.frame.lane_id, record.frame.number, record.frame.number);
      writer.lane.reset();
    }
  }
}

void CrashHistories::TakeFrom(CrashLog& log, ReaderLog& reader, uint64_t end) {
  while (log.read() < end) {
    const CrashRecord record = log.Next();
    on_record_(log, record, LaneOpened(record));
    Obey(record, reader);
  }
}

void CrashHistories::Obey(const CrashRecord& record, ReaderLog& reader) {
  if (record.kind == Kind::kReaderOpened) return OpenSession(record, reader);
  if (record.kind == Kind::kReaderClosing) return CloseSession(reader);
  if (reader.session == nullptr) return;
  HistoryChecker& checker = *reader.session->checker;
  switch (record.kind) {
    case Kind::kFrame:
      ++frames_;
      return checker.Frame(record.frame);
    case Kind::kGap:
      ++gaps_;
      return checker.Gap(record.gap);
    case Kind::kEnded:
      return checker.End();
    case Kind::kLaneLost:
      return checker.Lost(record.frame.lane_id, record.frame.position);
    default:
      return;
  }
}

void CrashHistories::OpenLane(const CrashRecord& record) {
  const uint64_t id = record.frame.lane_id;
  lanes_[id] = {.lane = {.lane_id = id}, .opened_nanos = record.nanos};
  ++lane_count_;
  for (Session& session : sessions_) {
    if (session.open && session.opened_nanos < record.nanos) session.checker->ExpectFromStart(id);
  }
}

void CrashHistories::EndLane(uint64_t lane_id, uint64_t begun, uint64_t committed) {
  Lane& lane = lanes_[lane_id];
  lane.lane = {.lane_id = lane_id, .begun = begun, .committed = committed, .ended = true};
  lane.ended_at = absl::Now();
}

void CrashHistories::OpenSession(const CrashRecord& record, ReaderLog& reader) {
  sessions_.push_back({.checker = std::make_unique<HistoryChecker>(
                           absl::StrCat(reader.name, " ", ++sessions_opened_), reader.policy),
                       .reference = reader.reference,
                       .opened_nanos = record.nanos});
  reader.session = &sessions_.back();
  for (const auto& [id, lane] : lanes_) {
    if (lane.opened_nanos > record.nanos) reader.session->checker->ExpectFromStart(id);
  }
}

void CrashHistories::CloseSession(ReaderLog& reader) {
  if (reader.session == nullptr) return;
  reader.session->open = false;
  reader.session->last_lane = lanes_.empty() ? 0 : lanes_.rbegin()->first;
  reader.session = nullptr;
}

bool CrashHistories::ReadByAll(const Lane& lane) const {
  return std::all_of(sessions_.begin(), sessions_.end(), [&](const Session& session) {
    return !session.open || session.checker->Complete(lane.lane);
  });
}

void CrashHistories::JudgeEnded() {
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    const Lane& lane = it->second;
    if (!lane.lane.ended || (!ReadByAll(lane) && absl::Now() < lane.ended_at + patience_)) {
      ++it;
      continue;
    }
    Judge(lane);
    it = lanes_.erase(it);
  }
  const uint64_t oldest = lanes_.empty() ? ~uint64_t{0} : lanes_.begin()->first;
  std::erase_if(sessions_, [&](const Session& session) {
    return !session.open && session.last_lane < oldest &&
           session.violations_taken == session.checker->violations().size();
  });
}

void CrashHistories::Judge(const Lane& lane) {
  std::vector<uint64_t> positions;
  for (const Session& session : sessions_) {
    if (session.reference) positions = session.checker->positions(lane.lane.lane_id);
  }
  for (Session& session : sessions_) session.checker->Judge(lane.lane, session.open, positions);
}

int64_t CrashHistories::LaneOpened(const CrashRecord& record) const {
  const auto lane = lanes_.find(record.frame.lane_id);
  return lane == lanes_.end() ? 0 : lane->second.opened_nanos;
}

bool CrashHistories::Settled() const {
  return std::none_of(lanes_.begin(), lanes_.end(),
                      [](const auto& lane) { return lane.second.lane.ended; });
}

std::vector<std::string> CrashHistories::TakeViolations() {
  std::vector<std::string> taken;
  for (Session& session : sessions_) {
    const std::vector<std::string>& all = session.checker->violations();
    taken.insert(taken.end(), all.begin() + static_cast<ptrdiff_t>(session.violations_taken),
                 all.end());
    session.violations_taken = all.size();
  }
  return taken;
}

}  // namespace causeway::faults
