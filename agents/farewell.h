// Tells coordinators of sessions that ended while they were away.

#ifndef CAUSEWAY_AGENTS_FAREWELL_H_
#define CAUSEWAY_AGENTS_FAREWELL_H_

#include <string>

#include "control/api/v1/handoff.pb.h"

namespace causeway {

// An agent that detaches while its coordinator is away is gone, but its process lives, so nothing
// proves to the next coordinator that what the session holds is free: a reader's cursors would hold
// up writers for as long as the process lives. So the coordinator of `dir` is told as soon as there
// is one, by one thread of the process for all such sessions, which ends when nothing is left to be
// told, or nobody to be told it: with its directory, a coordinator's state is gone. `hello` names
// the session, and says that it is leaving.
//
// Does not block, and does not fail: where there can be no thread, the process's end is the proof.
// A process that ends first is proof as well. The child of fork() tells nothing.
void SayFarewell(const std::string& dir, const v1::Hello& hello);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_FAREWELL_H_
