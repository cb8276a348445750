// What an agent makes of events, and which of them break a law.

#include <utility>

#include "absl/strings/str_cat.h"
#include "control/service/session_token.h"
#include "control/simulation/simulated_agent.h"

namespace causeway::simulation {

bool SimulatedAgent::has_news() const {
  if (connection_ == nullptr || !process_->alive || process_->stopped) return false;
  return !connection_->to_agent.empty() || connection_->coordinator_closed;
}

void SimulatedAgent::Read() {
  if (connection_->to_agent.empty()) {
    environment_.Trace("agent ", number_, " sees its connection closed");
    return CloseConnection();
  }
  const EventToAgent news = std::move(connection_->to_agent.front());
  connection_->to_agent.pop_front();
  environment_.Trace("agent ", number_, " reads ", news.event.ShortDebugString());
  witness_.Received(*process_, news.descriptor);
  const v1::HandoffEvent& event = news.event;
  if (!welcomed_ && !event.has_welcome() && !event.has_refused() && !event.has_evicted()) {
    environment_.Broken("agent ", number_, " is not welcomed first");
  }
  switch (event.event_case()) {
    case v1::HandoffEvent::kWelcome:
      return OnWelcome(event.welcome());
    case v1::HandoffEvent::kRefused:
      return OnRefused(event.refused());
    case v1::HandoffEvent::kDescriptorGranted:
      return OnDescriptor(event.descriptor_granted());
    case v1::HandoffEvent::kReaderJoined:
      return OnReaderJoined(event.reader_joined());
    case v1::HandoffEvent::kReaderLeft:
      return OnReaderLeft(event.reader_left());
    case v1::HandoffEvent::kPeerProcess:
      return OnPeerProcess(event.peer_process(), news.descriptor);
    case v1::HandoffEvent::kLaneOpened:
      return OnLaneOpened(event.lane_opened());
    case v1::HandoffEvent::kLaneEnded:
      return OnLaneEnded(event.lane_ended());
    case v1::HandoffEvent::kSnapshotDone:
      return OnSnapshotDone();
    case v1::HandoffEvent::kEvicted:
      if (!witness_.MayBeEvicted(belief_->session_id)) {
        environment_.Broken("session ", belief_->session_id, " is evicted by nobody");
      }
      return Forget();
    case v1::HandoffEvent::kFileBrought:
      if (event.file_brought().file_id() != 0) {
        witness_.Named(event.file_brought().file_id(),
                       absl::StrCat("file ", event.file_brought().request_id(), " of session ",
                                    belief_->session_id));
        belief_->brought.emplace_back(event.file_brought().file_id(),
                                      event.file_brought().request_id() % 2 == 0);
      }
      return;
    default:
      return;
  }
}

void SimulatedAgent::OnWelcome(const v1::Welcome& welcome) {
  Belief& belief = *belief_;
  const bool resumes = belief.session_id != 0;
  if (welcome.resumed() != resumes || (resumes && welcome.session_id() != belief.session_id)) {
    environment_.Broken("agent ", number_, " is welcomed as another");
  }
  welcomed_ = true;
  witness_.Named(welcome.session_id(), absl::StrCat("session of ", belief.nonce));
  witness_.HasSession(*process_, welcome.session_id());
  belief.session_id = welcome.session_id();
  belief.token = welcome.token();
  belief.token_sha256 = HashSessionToken(welcome.token());
  if (belief.coordinator_epoch != welcome.coordinator_epoch()) {
    // Splits end with their coordinator.
    belief.brought.clear();
    belief.splits.clear();
    belief.taken.clear();
  }
  belief.coordinator_epoch = welcome.coordinator_epoch();
  belief.in_snapshot = resumes;
  belief.descriptors.clear();
  belief.roster_versions.clear();
  belief.rosters.clear();
  belief.watched.clear();
  for (auto& [key, followed] : belief.followed) followed.told = false;
}

void SimulatedAgent::OnRefused(const v1::Refused& refused) {
  const auto code = static_cast<absl::StatusCode>(refused.code());
  const bool passing = code == absl::StatusCode::kUnavailable ||
                       code == absl::StatusCode::kResourceExhausted ||
                       code == absl::StatusCode::kDataLoss;
  if (passing) return CloseConnection();
  if (belief_->session_id != 0) {
    Excuse("resumes", absl::Status(code, refused.message()), false);
  } else {
    environment_.Broken("attach is refused: ", refused.message());
  }
  Forget();
}

void SimulatedAgent::OnDescriptor(const v1::DescriptorGranted& granted) {
  if (granted.protection() == v1::PROTECTION_READ_WRITE) {
    belief_->descriptors.insert(granted.file_id());
  }
}

void SimulatedAgent::RosterGrew(uint64_t lane_id, uint64_t version) {
  uint64_t& last = belief_->roster_versions[lane_id];
  if (version <= last) {
    environment_.Broken("roster version ", version, " of lane ", lane_id, " comes after ", last);
  }
  last = version;
}

void SimulatedAgent::OnReaderJoined(const v1::ReaderJoined& joined) {
  RosterGrew(joined.lane_id(), joined.roster_version());
  belief_->rosters[{joined.lane_id(), joined.reader_id()}] = joined.cursor().file_id();
}

void SimulatedAgent::OnReaderLeft(const v1::ReaderLeft& left) {
  RosterGrew(left.lane_id(), left.roster_version());
  if (belief_->rosters.erase({left.lane_id(), left.reader_id()}) == 0) {
    environment_.Broken("reader ", left.reader_id(), " leaves lane ", left.lane_id(),
                        ", which it never joined");
  }
}

void SimulatedAgent::OnPeerProcess(const v1::PeerProcess& process, const Thing& pidfd) {
  if (number_ % 4 == 0) environment_.Broken("agent ", number_, " does not know what it is told");
  witness_.SaidToHave(pidfd.pid, process.session_id());
  belief_->watched.insert(process.session_id());
}

void SimulatedAgent::OnLaneOpened(const v1::LaneOpened& opened) {
  witness_.Named(opened.lane_id(), absl::StrCat("lane in file ", opened.file_id()));
  witness_.EpochOf(opened.epoch(), absl::StrCat("lane ", opened.lane_id()));
  if (belief_->closed_readers.contains(opened.reader_id())) return;
  Belief::Followed& followed = belief_->followed[{opened.reader_id(), opened.lane_id()}];
  followed.file_id = opened.file_id();
  followed.cursor_offset = opened.cursor().offset();
  followed.writer_session_id = opened.writer_session_id();
  followed.told = true;
  followed.released = belief_->released.contains({opened.reader_id(), opened.lane_id()});
}

void SimulatedAgent::OnLaneEnded(const v1::LaneEnded& ended) {
  if (belief_->closed_readers.contains(ended.reader_id())) return;
  const auto found = belief_->followed.find({ended.reader_id(), ended.lane_id()});
  if (found == belief_->followed.end()) {
    // The news was on its way when the lane was released.
    if (belief_->released.contains({ended.reader_id(), ended.lane_id()})) return;
    environment_.Broken("lane ", ended.lane_id(), " ends, which was never opened");
    return;
  }
  found->second.ended = true;
}

void SimulatedAgent::OnSnapshotDone() {
  Belief& belief = *belief_;
  belief.in_snapshot = false;
  if (belief.detaching) return;
  for (const auto& [lane_id, lane] : belief.lanes) {
    if (!lane.closing && !belief.descriptors.contains(lane.file_id)) {
      environment_.Broken("lane ", lane_id, " was acknowledged, and is gone");
    }
  }
  for (const auto& [reader_id, reader] : belief.readers) {
    if (!reader.closing && !belief.descriptors.contains(reader.file_id)) {
      environment_.Broken("reader ", reader_id, " was acknowledged, and is gone");
    }
  }
  for (auto it = belief.followed.begin(); it != belief.followed.end();) {
    const auto reader = belief.readers.find(it->first.first);
    const bool closing = reader != belief.readers.end() && reader->second.closing;
    if (it->second.told) {
      ++it;
      continue;
    }
    if (!closing && !it->second.released) {
      environment_.Broken("reader ", it->first.first, " followed lane ", it->first.second,
                          ", which is gone");
    }
    it = belief.followed.erase(it);
  }
}

}  // namespace causeway::simulation
