// The flags of a long run that is also a test.

#ifndef CAUSEWAY_TESTS_FAULTS_FLAGS_H_
#define CAUSEWAY_TESTS_FAULTS_FLAGS_H_

#include <CLI/CLI.hpp>
#include <optional>

namespace causeway::faults {

// Parses the program's own flags, and leaves those of GoogleTest to InitGoogleTest(), which is to
// be called afterwards: it would answer --help itself. The exit status, if the program is to end
// here: 0 after --help, 2 after a flag that is wrong; both have been answered.
std::optional<int> ParseFlags(CLI::App& app, int argc, char** argv);

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_FLAGS_H_
