// Agents and coordinators whose system calls are refused, one at a time.

#ifndef CAUSEWAY_TESTS_FAULTS_REFUSED_CALLS_H_
#define CAUSEWAY_TESTS_FAULTS_REFUSED_CALLS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace causeway::faults {

// Whose calls are refused.
enum class RefusedSide {
  kAgent,        // during its job
  kCoordinator,  // during an agent's job
  kStart,        // the coordinator's, from its first instruction on
};

struct RefusedCallsOptions {
  uint64_t seed = 1;
  uint64_t trials = 100;
  std::string side;  // only this one: "agent", "coordinator" or "start"; empty: each in turn
  std::string call;  // only this system call; empty: any
  // Called after each trial, with a line about it.
  std::function<void(uint64_t trials, const std::string& text)> on_trial =
      [](uint64_t, const std::string&) {};
};

struct RefusedCallsSummary {
  uint64_t trials = 0;
  // By side and call: trials.
  std::map<std::string, uint64_t> refused;
  // By side: what the job said under refusal ("OK", or the code of its status): how often.
  std::map<std::string, uint64_t> answers;
  uint64_t coordinators_ended = 0;      // by a refusal, with a message
  std::vector<std::string> violations;  // each with what it takes to see it again
};

// In each trial the n-th call of a kind fails, once or until told otherwise, with an error that the
// kernel could give, in an agent or in its coordinator, while the agent attaches, exchanges frames,
// splits a file and detaches. What must be seen: no signal and no abort; the job succeeds, or one
// of its calls returns a status that says what is wrong; nothing takes for ever; once nothing is
// refused any more the same job succeeds, in the same process, without a restart (but where the
// coordinator ended itself because the disk gave wrong answers about the state, which a new one
// then opens); and when the agent has ended, neither process nor directory holds more than before.
//
// Trial i chooses by `seed` + i alone. To be called from the main thread.
RefusedCallsSummary RunRefusedCalls(const RefusedCallsOptions& options);

// For people.
std::string ToText(const RefusedCallsSummary& summary);

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_REFUSED_CALLS_H_
