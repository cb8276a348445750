// What jobs have left that were killed together with their coordinators.

#ifndef CAUSEWAY_AGENTS_CLI_ABANDONED_DIRECTORIES_H_
#define CAUSEWAY_AGENTS_CLI_ABANDONED_DIRECTORIES_H_

#include <string>

namespace causeway {

// A name that nobody else has or guesses, for a directory of one job: "causeway-job-" and 16 random
// hexadecimal digits. Never used again.
std::string NewJobDirectoryName();

// Removes, with all that is in them, the directories in `parent` that have such a name, belong to
// this user, and have been served by a coordinator that is dead: there is a file "lock" in them,
// and nobody holds its lock, which the kernel dropped with its holder's death. A coordinator's lock
// file gets its name only once it is locked, so one that nobody has locked is no beginner's: that
// is a proof, not a timeout. What cannot be removed stays for the next.
void CollectAbandonedDirectories(const std::string& parent);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_ABANDONED_DIRECTORIES_H_
