#include "agents/cli/exchange_worker_options.h"

#include "absl/strings/str_cat.h"
#include "agents/cli/command_line.h"

namespace causeway {

std::vector<std::string> ExchangeWorkerArguments(const char* subcommand,
                                                 const ExchangeWorkerOptions& options) {
  return {subcommand,
          absl::StrCat("--dir=", options.dir),
          absl::StrCat("--stream=", options.stream),
          absl::StrCat("--name=", options.name),
          absl::StrCat("--input=", options.input),
          absl::StrCat("--consumers=", options.consumers),
          absl::StrCat("--frame_bytes=", options.frame_bytes),
          absl::StrCat("--segment_bytes=", options.segment_bytes),
          absl::StrCat("--capacity_bytes=", options.capacity_bytes),
          absl::StrCat("--rounds=", options.rounds),
          absl::StrCat("--max_bytes=", options.max_bytes),
          absl::StrCat("--deadline=", absl::FormatDuration(options.deadline)),
          absl::StrCat("--hash=", options.hash ? "true" : "false")};
}

absl::StatusOr<bool> ParseExchangeWorkerArguments(int argc, char** argv,
                                                  ExchangeWorkerOptions& options) {
  CommandLine line(argv[0], "Part of exchange, which starts it.", "");
  line.Text("dir", &options.dir, "");
  line.Text("stream", &options.stream, "");
  line.Text("name", &options.name, "");
  line.Text("input", &options.input, "");
  line.Count("consumers", &options.consumers, "");
  line.Count("frame_bytes", &options.frame_bytes, "");
  line.Count("segment_bytes", &options.segment_bytes, "");
  line.Count("capacity_bytes", &options.capacity_bytes, "");
  line.Count("rounds", &options.rounds, "");
  line.Count("max_bytes", &options.max_bytes, "");
  line.Duration("deadline", &options.deadline, "");
  line.Switch("hash", &options.hash, "");
  return line.Parse(argc, argv);
}

}  // namespace causeway
