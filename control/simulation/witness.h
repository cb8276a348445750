// What agents were promised, in books of its own.

#ifndef CAUSEWAY_CONTROL_SIMULATION_WITNESS_H_
#define CAUSEWAY_CONTROL_SIMULATION_WITNESS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "control/simulation/environment.h"
#include "control/simulation/simulated_files.h"
#include "control/simulation/simulated_processes.h"

namespace causeway::simulation {

// Knows only what was said to agents, and who lives; nothing of the coordinator's books. The laws:
//
//   1. An inode of the coordinator's is writable by one process, for ever.
//   2. A range of a user's file that one worker may write goes to another one only when the first
//      has given it back or lives no more.
//   3. No id names two things, and no epoch two grants, whatever coordinator gave them.
class Witness {
 public:
  Witness(Environment* environment, FileSystem* files)
      : environment_(*environment), files_(*files) {}

  // An agent was told that `id` names `what`.
  void Named(uint64_t id, const std::string& what);
  void EpochOf(uint64_t epoch, const std::string& what);
  // How many.
  uint64_t names() const { return names_.size(); }
  void CoordinatorBegan(uint64_t epoch);

  // A process was told that it has this session. No other ever has.
  void HasSession(const SimulatedProcess& process, uint64_t session_id);
  // A reader was told that a process of this pid is the session's.
  void SaidToHave(int64_t pid, uint64_t session_id);
  // Whether the process that has this session is known to be dead.
  bool HasDied(uint64_t session_id) const;

  // A process received a descriptor.
  void Received(const SimulatedProcess& process, const Thing& descriptor);

  // A call is about to answer a worker that it has a range of a user's file. Calls may say so in
  // another order than that of their grants, which epochs tell.
  void Taken(uint64_t file_id, uint64_t offset, uint64_t epoch, const SimulatedProcess* process,
             uint64_t session_id);
  // It gives the range back, or all that it has.
  void GaveBack(uint64_t file_id, uint64_t offset, uint64_t session_id);
  void GaveBackAll(uint64_t session_id);

  // An operator has asked for the eviction of a session: from here on it may have been fenced.
  void EvictionAsked(uint64_t session_id) { evicted_.insert(session_id); }
  bool MayBeEvicted(uint64_t session_id) const { return evicted_.contains(session_id); }

 private:
  struct Holder {
    const SimulatedProcess* process = nullptr;
    uint64_t session_id = 0;
    uint64_t epoch = 0;
  };

  Environment& environment_;
  FileSystem& files_;
  std::map<uint64_t, std::string> names_;
  std::map<uint64_t, const SimulatedProcess*> sessions_;
  std::map<uint64_t, std::string> epochs_;
  uint64_t last_coordinator_ = 0;
  std::map<std::pair<uint64_t, uint64_t>, Holder> holders_;  // by file and offset
  std::set<uint64_t> detached_;
  std::set<uint64_t> evicted_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_WITNESS_H_
