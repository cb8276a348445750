#include "control/simulation/simulated_agent.h"

#include "absl/strings/str_cat.h"

namespace causeway::simulation {

SimulatedAgent::SimulatedAgent(int number, Environment* environment, Machine* machine,
                               Witness* witness, SimulatedCalls* calls)
    : number_(number),
      environment_(*environment),
      machine_(*machine),
      witness_(*witness),
      calls_(*calls),
      process_(machine->processes.Start()) {}

bool SimulatedAgent::attached() const {
  return connection_ != nullptr && welcomed_ && belief_->session_id != 0 && !belief_->detaching;
}

std::string SimulatedAgent::NewKey() { return absl::StrCat("key ", number_, " ", ++keys_); }

void SimulatedAgent::Connect() {
  connection_ = machine_.network.Connect(process_);
  welcomed_ = false;
  v1::Hello hello;
  hello.set_protocol_version(1);
  hello.set_agent_name(absl::StrCat("agent", number_));
  if (belief_->session_id == 0) {
    // The nonce of an attempt is not used for another one, whatever became of the first.
    belief_->nonce = absl::StrCat(NewKey(), " ", process_->start_ticks);
    belief_->nonce.resize(16, '.');
  } else {
    hello.set_session_id(belief_->session_id);
    hello.set_token(belief_->token);
  }
  hello.set_nonce(belief_->nonce);
  hello.set_hears_of_peers(number_ % 4 != 0);
  environment_.Trace("agent ", number_, " (pid ", process_->pid, ") connects for session ",
                     belief_->session_id);
  connection_->to_coordinator.emplace_back(std::move(hello));
}

void SimulatedAgent::CloseConnection() {
  if (connection_ == nullptr) return;
  environment_.Trace("agent ", number_, " closes its connection");
  connection_->agent_closed = true;
  connection_.reset();
  welcomed_ = false;
}

void SimulatedAgent::Forget() {
  belief_ = std::make_shared<Belief>();
  CloseConnection();
}

void SimulatedAgent::Die() {
  process_->alive = false;
  process_->stopped = false;
  process_->has_child = connection_ != nullptr && environment_.choices.OneIn(5);
  environment_.Trace("agent ", number_, " (pid ", process_->pid, ") dies",
                     process_->has_child ? ", a child has its connection" : "");
  belief_ = std::make_shared<Belief>();
  if (!process_->has_child) CloseConnection();
}

void SimulatedAgent::Act(bool served) {
  Choices& choices = environment_.choices;
  if (!process_->alive) {
    if (process_->has_child) {
      if (!choices.OneIn(3)) return;
      process_->has_child = false;
      CloseConnection();
    }
    process_ = machine_.processes.Start();
    return;
  }
  if (process_->stopped) {
    process_->stopped = !choices.OneIn(4);
    return;
  }
  if (connection_ == nullptr) {
    if (served) Connect();
    return;
  }
  if (!belief_->again.empty() && choices.OneIn(2)) {
    const std::function<void()> again = std::move(belief_->again.front());
    belief_->again.pop_front();
    again();
    return;
  }
  switch (choices.Below(24)) {
    case 0:
      return CloseConnection();
    case 1:
      return choices.OneIn(2) ? Die() : void();
    case 2:
      process_->stopped = choices.OneIn(2);
      return;
    case 3:
      return choices.OneIn(3) ? Detach() : void();
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
      return UseSplits();
    case 9:
    case 10:
    case 11:
    case 12:
    case 13:
      return UseReaders();
    default:
      return UseLanes();
  }
}

void SimulatedAgent::Leave(bool served) {
  if (!process_->alive) {
    process_->has_child = false;
    CloseConnection();
    return;
  }
  process_->stopped = false;
  if (served && attached() && environment_.choices.OneIn(2)) return Detach();
  Die();
  Leave(served);
}

std::string SimulatedAgent::Needs(const Inode& inode, uint64_t offset, uint64_t length,
                                  bool truncating) const {
  const Belief& belief = *belief_;
  if (!process_->alive || belief.session_id == 0 || belief.detaching) return "";
  if (witness_.MayBeEvicted(belief.session_id)) return "";
  const auto overlaps = [&](uint64_t begin, uint64_t bytes) {
    return truncating || (begin < offset + length && offset < begin + bytes);
  };
  for (const auto& [lane_id, lane] : belief.lanes) {
    if (lane.file_id != inode.file_id || lane.closing) continue;
    for (const auto& [begin, bytes] : lane.segments) {
      if (overlaps(begin, bytes)) return absl::StrCat("the writer of lane ", lane_id);
    }
  }
  for (const auto& [key, followed] : belief.followed) {
    const auto reader = belief.readers.find(key.first);
    if (reader != belief.readers.end() && reader->second.closing) continue;
    if (followed.released) continue;
    if (followed.file_id == inode.file_id && truncating) {
      return absl::StrCat("reader ", key.first, " of lane ", key.second);
    }
    if (reader != belief.readers.end() && reader->second.file_id == inode.file_id &&
        overlaps(followed.cursor_offset, 1)) {
      return absl::StrCat("reader ", key.first, ", whose cursor it is");
    }
  }
  for (const auto& [key, cursor_file] : belief.rosters) {
    const auto lane = belief.lanes.find(key.first);
    if (lane != belief.lanes.end() && lane->second.closing) continue;
    if (cursor_file == inode.file_id && truncating) {
      return absl::StrCat("the writer of lane ", key.first, ", which obeys the cursor");
    }
  }
  return "";
}

}  // namespace causeway::simulation
