// The flags of programs that measure, and of long runs that are also tests.

#ifndef CAUSEWAY_TESTS_CONSOLE_FLAGS_H_
#define CAUSEWAY_TESTS_CONSOLE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>

#include "mmapcore/wait_mode.h"

namespace causeway {

inline constexpr int kExitUsage = 2;

// The values of a flag that chooses how to wait.
const std::map<std::string, WaitMode>& WaitModeNames();

// Parses the command line. The exit status, if the program is to end here: 0 after --help,
// kExitUsage after a flag that is wrong; both have been answered. `app` has a name.
std::optional<int> ParseApp(CLI::App& app, int argc, char** argv);

// The same, but leaves GoogleTest's flags to InitGoogleTest(), which is to be called afterwards: it
// would answer --help itself.
std::optional<int> ParseAppBeforeGoogleTest(CLI::App& app, int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_TESTS_CONSOLE_FLAGS_H_
