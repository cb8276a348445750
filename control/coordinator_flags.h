// The coordinator's command line.

#ifndef CAUSEWAY_CONTROL_COORDINATOR_FLAGS_H_
#define CAUSEWAY_CONTROL_COORDINATOR_FLAGS_H_

#include <optional>
#include <string>
#include <variant>

#include "control/coordinator_options.h"
#include "control/log/log.h"

namespace causeway {

struct CoordinatorFlags {
  CoordinatorOptions options;
  LogLevel log_level = LogLevel::kInfo;
  int ready_fd = -1;  // -1: none
};

// What to do instead of serving: print `text` and exit.
struct FlagsAnswer {
  std::string text;
  int exit_code = 0;  // 0: asked for (--help, --version), for standard output. 2: wrong flags
};

// Reads the flags. Relative paths are of the directory that `bazel run` was called in, if that is
// how the program was started. Reads the environment; sets nothing.
std::variant<CoordinatorFlags, FlagsAnswer> ParseCoordinatorFlags(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_COORDINATOR_FLAGS_H_
