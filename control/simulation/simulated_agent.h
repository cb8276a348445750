// An agent that does what agents do, in any order, and knows what it was promised.

#ifndef CAUSEWAY_CONTROL_SIMULATION_SIMULATED_AGENT_H_
#define CAUSEWAY_CONTROL_SIMULATION_SIMULATED_AGENT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "control/api/v1/agents.pb.h"
#include "control/simulation/environment.h"
#include "control/simulation/network.h"
#include "control/simulation/simulated_calls.h"
#include "control/simulation/simulated_coordinator.h"
#include "control/simulation/witness.h"

namespace causeway::simulation {

// What a session was told and has not given up. Dropped when the session ends for the agent.
struct Belief {
  struct Lane {
    uint64_t file_id = 0;
    std::map<uint64_t, uint64_t> segments;  // length by offset
    std::map<uint64_t, uint64_t> grants;    // ids by offset
    bool closing = false;                   // CloseWriter was called
  };
  struct Reader {
    uint64_t file_id = 0;
    bool closing = false;
  };
  struct Followed {
    uint64_t file_id = 0;
    uint64_t cursor_offset = 0;
    uint64_t writer_session_id = 0;
    bool ended = false;
    bool released = false;  // ReleaseLane was called
    bool by_death = false;  // and that since the kernel had said that the writer is dead
    bool told = false;      // in the last snapshot
  };
  struct Taken {
    uint64_t split_id = 0;
    uint64_t index = 0;
    uint64_t epoch = 0;
    uint64_t file_id = 0;
    uint64_t offset = 0;
  };

  uint64_t session_id = 0;  // 0: not attached yet
  std::string nonce;
  std::string token;
  std::string token_sha256;
  uint64_t coordinator_epoch = 0;
  bool detaching = false;
  bool in_snapshot = false;
  std::map<uint64_t, Lane> lanes;
  std::map<uint64_t, Reader> readers;
  std::map<std::pair<uint64_t, uint64_t>, Followed> followed;  // by reader and lane
  std::set<std::pair<uint64_t, uint64_t>> released;            // late snapshots may name them
  std::set<uint64_t> watched;                                  // sessions whose pidfds it has
  std::set<uint64_t> closed_readers;                           // late events may speak of them
  std::map<uint64_t, uint64_t> roster_versions;                // by lane
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> rosters;   // cursor file by lane and reader
  std::set<uint64_t> descriptors;                              // writable, by file
  std::vector<std::pair<uint64_t, bool>> brought;              // files, and whether writable
  std::vector<uint64_t> splits;
  std::vector<Taken> taken;
  std::deque<std::function<void()>> again;  // calls to make once more
};

class SimulatedAgent {
 public:
  // All outlive it.
  SimulatedAgent(int number, Environment* environment, Machine* machine, Witness* witness,
                 SimulatedCalls* calls);

  // Does something; with a coordinator to connect to if `served`.
  void Act(bool served);
  // Reads the next event, or the end, of its connection.
  void Read();
  bool has_news() const;

  // It leaves: in good order, or not.
  void Leave(bool served);
  bool gone() const { return !process_->alive && connection_ == nullptr; }

  // See FileSystem::who_needs.
  std::string Needs(const Inode& inode, uint64_t offset, uint64_t length, bool truncating) const;

  uint64_t session_id() const { return belief_->session_id; }
  const SimulatedProcess& process() const { return *process_; }

 private:
  using Shared = std::shared_ptr<Belief>;

  bool attached() const;
  void Connect();
  void Die();
  void CloseConnection();
  // The session is over for the agent.
  void Forget();

  // simulated_agent_events.cc
  void OnWelcome(const v1::Welcome& welcome);
  void OnDescriptor(const v1::DescriptorGranted& granted);
  void OnReaderJoined(const v1::ReaderJoined& joined);
  void OnReaderLeft(const v1::ReaderLeft& left);
  void OnPeerProcess(const v1::PeerProcess& process, const Thing& pidfd);
  void OnLaneOpened(const v1::LaneOpened& opened);
  void OnLaneEnded(const v1::LaneEnded& ended);
  void OnSnapshotDone();
  void OnRefused(const v1::Refused& refused);
  void RosterGrew(uint64_t lane_id, uint64_t version);

  // simulated_agent_calls.cc
  void UseLanes();
  void UseReaders();
  void UseSplits();
  void OpenWriter(const std::string& stream, const std::string& key);
  void Opened(const std::string& key, const v1::OpenWriterResponse& response);
  void GrantSegment(uint64_t lane_id, const std::string& key);
  void Granted(uint64_t lane_id, const v1::GrantSegmentResponse& response);
  void ReturnSegment(uint64_t lane_id, uint64_t offset);
  void SendReturn(uint64_t lane_id, uint64_t offset, uint64_t grant_id);
  void CloseWriter(uint64_t lane_id);
  void OpenReader(const std::string& stream, const std::string& key);
  void CloseReader(uint64_t reader_id);
  void ReleaseLane(uint64_t reader_id, uint64_t lane_id);
  // Whether the kernel says that its writer is dead.
  bool HasDied(const Belief::Followed& followed) const;
  void BringFile();
  void OpenSplit();
  void TakeExtent();
  void CompleteExtent(const Belief::Taken& taken);
  void CloseSplit(uint64_t split_id);
  void Detach();
  void Write();
  // Sends a call of this session. `obeyed` gets its status; it may be repeated if that is
  // Unavailable or never comes, with `again` if there is one.
  template <typename Result>
  void Call(const std::string& what,
            std::function<Result(SimulatedCoordinator&, const std::string& token)> body,
            std::function<void(const Result&)> heard, std::function<void()> again);
  // A status that the agent's own doing explains, or a broken law.
  void Excuse(const std::string& what, const absl::Status& status, bool not_found_is_fine);
  void ExpectBacked(uint64_t file_id, uint64_t offset, uint64_t length);
  // Reads what was sent before an answer. False: the session is over.
  bool ReadAll();
  void ExpectDescriptor(uint64_t file_id);
  std::string NewKey();

  const int number_;
  Environment& environment_;
  Machine& machine_;
  Witness& witness_;
  SimulatedCalls& calls_;
  SimulatedProcess* process_;
  std::shared_ptr<Connection> connection_;  // null: none
  bool welcomed_ = false;                   // on this connection
  Shared belief_ = std::make_shared<Belief>();
  uint64_t keys_ = 0;
  uint64_t brought_ = 0;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_SIMULATED_AGENT_H_
