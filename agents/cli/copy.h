// The subcommand `copy`: a file, split over processes.

#ifndef CAUSEWAY_AGENTS_CLI_COPY_H_
#define CAUSEWAY_AGENTS_CLI_COPY_H_

namespace causeway {

// Returns the exit status; ends by the signal that interrupted it, if one did.
int CopyMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_COPY_H_
