// What an exchange comes to: a table for people, JSON for programs.

#ifndef CAUSEWAY_AGENTS_CLI_REPORT_H_
#define CAUSEWAY_AGENTS_CLI_REPORT_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agents/cli/worker_report.h"

namespace causeway {

struct ExchangeReport {
  struct Agent {
    std::string name;  // "producer", "consumer 1"
    pid_t pid = 0;
    WorkerReport result;
  };
  std::string input;         // where the bytes came from
  uint64_t input_bytes = 0;  // its size; zero if it has none, as a pipe
  uint64_t frame_bytes = 0;  // of the input in one frame; the last may be shorter
  bool hashed = true;
  Agent producer;
  std::vector<Agent> consumers;
};

// From before the first claim until the last consumer was done with the last frame.
double Seconds(const ExchangeReport& report);

// Bytes that one consumer was given per second, in 10^9 bytes: bytes of the input by Seconds().
double GigabytesPerSecond(const ExchangeReport& report);

// OK if every consumer has read what the producer has sent: as many bytes and frames and, if they
// were hashed, the same hash. Else DataLoss, which names the first consumer that has not, and both
// sides' numbers.
absl::Status CheckAgreement(const ExchangeReport& report);

// Lines, each with its newline. `width` as for TextTable::Render().
std::string RenderTable(const ExchangeReport& report, size_t width);

// One object on one line, with its newline: `ok`, and `error` if not.
std::string RenderJson(const ExchangeReport& report);

// The same for an exchange that came to nothing.
std::string RenderJson(const absl::Status& error);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_REPORT_H_
