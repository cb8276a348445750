// The coordinator as a program.

#ifndef CAUSEWAY_CONTROL_COORDINATOR_MAIN_H_
#define CAUSEWAY_CONTROL_COORDINATOR_MAIN_H_

#include <string>

namespace causeway {

// Serves a directory until SIGTERM or SIGINT comes; a second SIGINT ends the process at once.
// Flags as --help prints them, dashes for underscores allowed. To be called on the main thread,
// before there are others: it sets the process's umask, its signal mask and its limit of open
// files. Logs go to standard error.
//
// Returns the exit code: 0: stopped in good order. 1: could not serve, or the disk gave wrong
// answers about the state, and it is to be started anew; the log says why. 2: wrong flags.
int CoordinatorMain(int argc, char** argv);

// The same, and it says of itself that it is of this version.
int CoordinatorMain(int argc, char** argv, const std::string& version);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_COORDINATOR_MAIN_H_
