// What the parent of an exchange tells each worker, and how: in flags.

#ifndef CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_OPTIONS_H_
#define CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace causeway {

// Subcommands that are not for people.
inline constexpr char kExchangeProducer[] = "exchange_producer";
inline constexpr char kExchangeConsumer[] = "exchange_consumer";

struct ExchangeWorkerOptions {
  std::string dir;     // of the coordinator
  std::string stream;  // created by whoever comes first
  std::string name;    // of the agent
  std::string input;   // what the producer's standard input is, for messages
  uint64_t consumers = 0;
  uint64_t frame_bytes = 0;  // of the input in one frame
  uint64_t segment_bytes = 0;
  uint64_t capacity_bytes = 0;
  uint64_t rounds = 1;  // as in PayloadLimits
  uint64_t max_bytes = 0;
  absl::Duration deadline;  // for each wait for others
  bool hash = true;
};

// The arguments that make this program that worker: `subcommand` first.
std::vector<std::string> ExchangeWorkerArguments(const char* subcommand,
                                                 const ExchangeWorkerOptions& options);

// The reverse: `argv[0]` is the subcommand. As CommandLine::Parse().
absl::StatusOr<bool> ParseExchangeWorkerArguments(int argc, char** argv,
                                                  ExchangeWorkerOptions& options);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_OPTIONS_H_
