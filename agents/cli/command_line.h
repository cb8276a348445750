// Flags, help and errors of one subcommand, the same way for all of them.
//
//   CommandLine line("publish", "Writes standard input to a stream.", "  causeway publish ...\n");
//   line.Size("frame_bytes", &frame_bytes, "Bytes of a frame (default 64KiB)");
//   absl::StatusOr<bool> run = line.Parse(argc, argv);
//   if (!run.ok()) return Fail("publish", run.status());
//   if (!*run) return 0;

#ifndef CAUSEWAY_AGENTS_CLI_COMMAND_LINE_H_
#define CAUSEWAY_AGENTS_CLI_COMMAND_LINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace CLI {
class App;
}

namespace causeway {

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// Writes "causeway COMMAND: message" and a newline to standard error, on one line whatever the
// message holds, and returns the exit status: kExitUsage for InvalidArgument, else kExitFailure.
int Fail(std::string_view command, const absl::Status& status);

// `text` as one line that a terminal can show: control characters and invalid UTF-8 as \xNN, and
// the middle left out if it is very long.
std::string OneLine(std::string_view text);

// The one of `names` that somebody who typed `typed` most probably meant, if any is near enough.
std::optional<std::string> Nearest(std::string_view typed, const std::vector<std::string>& names);

// The directory of the coordinator to talk to if the user names none: $CAUSEWAY_DIR, else
// $XDG_RUNTIME_DIR/causeway, else /tmp/causeway-UID.
std::string DefaultDirectory();

// A subcommand's arguments. Flags are named without dashes, words joined by `_`; the user may type
// `-` instead. What the pointers point to holds the defaults, is written by Parse(), and must live
// until then. Not thread-safe.
class CommandLine {
 public:
  // `examples`: lines for the end of the help, each with its newline; may be empty.
  CommandLine(std::string_view command, std::string_view summary, std::string_view examples);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // A word without a flag; must be given.
  void Positional(std::string_view name, std::string* value, std::string_view help);
  // The same, but it may be left out.
  void OptionalPositional(std::string_view name, std::string* value, std::string_view help);
  void Text(std::string_view flag, std::string* value, std::string_view help);
  void Switch(std::string_view flag, bool* value, std::string_view help);
  void Count(std::string_view flag, uint64_t* value, std::string_view help);
  // Bytes: a number and perhaps K, M, G or T, with or without iB (powers of 1024).
  void Size(std::string_view flag, uint64_t* value, std::string_view help);
  // A number with ns, us, ms, s, m or h; "inf" is for ever.
  void Duration(std::string_view flag, absl::Duration* value, std::string_view help);
  // --dir, with DefaultDirectory() as the default.
  void Directory(std::string* value);

  // Reads `argv[1]` to `argv[argc - 1]`. True: go on. False: the user asked for help and has got
  // it on standard output.
  // InvalidArgument: what is wrong, and what may have been meant.
  absl::StatusOr<bool> Parse(int argc, char** argv);

  // Whether the user gave the flag. After Parse().
  bool Given(std::string_view flag) const;

 private:
  const std::string command_;
  std::unique_ptr<CLI::App> app_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_COMMAND_LINE_H_
