// The processes that `exchange` starts: hidden subcommands, which report to their parent on
// kReportFd.

#ifndef CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_H_
#define CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace causeway {

inline constexpr char kExchangeProducer[] = "exchange_producer";
inline constexpr char kExchangeConsumer[] = "exchange_consumer";

// What a worker is told, by its parent, in flags.
struct ExchangeWorkerOptions {
  std::string dir;     // of the coordinator
  std::string stream;  // created by whoever comes first
  std::string name;    // of the agent
  std::string input;   // what the producer's standard input is, for messages
  uint64_t consumers = 0;
  uint64_t frame_bytes = 0;  // of the input in one frame
  uint64_t segment_bytes = 0;
  uint64_t capacity_bytes = 0;
  uint64_t rounds = 1;
  uint64_t max_bytes = 0;
  absl::Duration deadline;  // for each wait for others
  bool hash = true;
};

// The arguments that make this program that worker.
std::vector<std::string> ExchangeWorkerArguments(const char* subcommand,
                                                 const ExchangeWorkerOptions& options);

// Sends standard input, once all consumers follow, and reports when they have read it.
int ExchangeProducerMain(int argc, char** argv);

// Reads until the producer has ended, and reports.
int ExchangeConsumerMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_H_
