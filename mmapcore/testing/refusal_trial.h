// Tries an operation with each of its system calls refused.

#ifndef CAUSEWAY_MMAPCORE_TESTING_REFUSAL_TRIAL_H_
#define CAUSEWAY_MMAPCORE_TESTING_REFUSAL_TRIAL_H_

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace causeway::testing {

// One operation, prepared in a directory of its own.
struct RefusalTrial {
  // Does it, and lets go of what it gave.
  std::function<absl::Status()> run;
  // Whether it was done, once `run` has returned OK.
  std::function<bool()> done;
  // The operation is made of several, each of which stands: a failure may leave files that the next
  // attempt uses.
  bool may_leave_files = false;
};

// First counts the operation's system calls, of each kind that touches files, memory or
// descriptors. Then, in a process of its own for each: the n-th call of each kind fails, with each
// of the errors that it can have, once and for ever. What must be seen each time: no signal; OK and
// done, or a status that has a message and no code of a bug; no descriptor, thread or mapped file
// more than before; after a failure the directory as it was; and once nothing is refused any more,
// the operation succeeds.
//
// Adds test failures, which name the call. Returns how many refusals were tried.
int TryEachRefusal(const std::string& name,
                   const std::function<RefusalTrial(const std::string& directory)>& prepare);

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_REFUSAL_TRIAL_H_
