// A coordinator and its agents, in one thread, in an order that a seed decides.

#ifndef CAUSEWAY_CONTROL_SIMULATION_SIMULATION_H_
#define CAUSEWAY_CONTROL_SIMULATION_SIMULATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "control/simulation/environment.h"
#include "control/simulation/state_disk.h"

namespace causeway::simulation {

struct SimulationOptions {
  uint64_t seed = 0;
  PlantedBug bug = PlantedBug::kNone;
  bool tracing = false;
  // Must outlive the simulation, and hold nothing; null: a disk that is perfect.
  StateDisk* state_disk = nullptr;
};

struct SimulationResult {
  std::string verdict;             // the law that was broken; empty: none
  std::vector<std::string> trace;  // what happened, if it was asked for
  uint64_t restarts = 0;           // coordinators after the first
  uint64_t names = 0;              // ids that agents heard of: sessions, lanes, readers, files
};

// Runs one world to its end. What is real: the state machine, the batches and their undoing, the
// calls, the session gate, the delivery of effects and the recovery. What is simulated: clock,
// tokens, sockets, processes, files and the store's disk.
//
// After every batch the invariants of the state machine hold; after every step the laws, as agents
// see them (witness.h, simulated_agent.h); once everybody is gone, nothing is left.
SimulationResult Simulate(const SimulationOptions& options);

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_SIMULATION_H_
