// What everything in a simulation shares: chance, time, power, the trace and the verdict.

#ifndef CAUSEWAY_CONTROL_SIMULATION_ENVIRONMENT_H_
#define CAUSEWAY_CONTROL_SIMULATION_ENVIRONMENT_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace causeway::simulation {

// A mistake that the simulated world makes on purpose, as a wrong implementation of what it stands
// for would: to see that the laws find it.
enum class PlantedBug {
  kNone,
  kCommitNotDurable,    // Commit returns before the batch is on the disk
  kHalfABatch,          // a crash during a commit leaves half of it
  kFailedCommitStays,   // a commit that failed for want of space comes back with a restart
  kSequencesForgotten,  // how far ids and epochs were given is not stored
  kSuspicionIsProof,    // a process that stands still is taken for dead
  kStoppedFoundDead,    // so it is by the next coordinator
  kExitUnheard,         // a process ends and nobody hears of it
  kPidfdOfAnother,      // readers get the pidfd of another process than the writer's
  kNotBacked,           // the last page of a grant is a hole
  kRemovesNothing,      // retired files stay
  kAlwaysTruncates,     // a file is cut under those who still have it mapped
  kEventsOvertake,      // an event to an agent passes the one before it
  kReturnsUnnamed,      // a return does not say of which grant it is
};
inline constexpr int kPlantedBugs = 13;  // kNone apart
const char* NameOf(PlantedBug bug);

// The same numbers for the same seed, on any machine.
class Choices {
 public:
  explicit Choices(uint64_t seed) : random_(seed) {}

  // From 0 to `bound` - 1; `bound` is not 0.
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 random_;
};

class Environment {
 public:
  Environment(uint64_t seed, PlantedBug bug, bool tracing)
      : choices(seed), bug(bug), tracing_(tracing) {}

  // A step of the simulation begins.
  void Tick() {
    ++step_;
    now_ms_ += static_cast<int64_t>(choices.Below(50));
  }
  int64_t now_ms() const { return now_ms_; }

  template <typename... Pieces>
  void Trace(const Pieces&... pieces) {
    if (tracing_) trace_.push_back(absl::StrCat(step_, " ", pieces...));
  }
  const std::vector<std::string>& trace() const { return trace_; }

  // A law was broken; the first one is the verdict.
  template <typename... Pieces>
  void Broken(const Pieces&... pieces) {
    Trace("BROKEN ", pieces...);
    if (verdict_.empty()) verdict_ = absl::StrCat(pieces...);
  }
  // Empty as long as every law holds.
  const std::string& verdict() const { return verdict_; }

  // The coordinator's process is killed at the `points`-th place from now where that can make a
  // difference; 0: at none.
  void PowerOn(uint64_t points) {
    power_ = true;
    points_left_ = points;
  }
  void PowerOff() { power_ = false; }
  bool power() const { return power_; }

  // One such place. False: the coordinator is dead; what it does from here on reaches nobody.
  bool Reach(const char* place) {
    if (power_ && points_left_ > 0 && --points_left_ == 0) {
      Trace("coordinator is killed ", place);
      power_ = false;
    }
    return power_;
  }

  Choices choices;
  const PlantedBug bug;

 private:
  const bool tracing_;
  uint64_t step_ = 0;
  int64_t now_ms_ = 1'700'000'000'000;
  bool power_ = false;
  uint64_t points_left_ = 0;
  std::vector<std::string> trace_;
  std::string verdict_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_ENVIRONMENT_H_
