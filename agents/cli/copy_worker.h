// A worker of `copy`: its own program, started by the copying process, as many times as asked.

#ifndef CAUSEWAY_AGENTS_CLI_COPY_WORKER_H_
#define CAUSEWAY_AGENTS_CLI_COPY_WORKER_H_

namespace causeway {

// The hidden subcommand `copy-worker --dir=DIR --split=NAME`: takes extents until the split is
// finished. Returns the exit status. A failure of the copying itself fails the split, so that the
// owner has the reason; any other is told on standard error.
int CopyWorkerMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_COPY_WORKER_H_
