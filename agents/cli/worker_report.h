// What the worker processes of an exchange tell their parent: one line of JSON each.

#ifndef CAUSEWAY_AGENTS_CLI_WORKER_REPORT_H_
#define CAUSEWAY_AGENTS_CLI_WORKER_REPORT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/cli/latency.h"

namespace causeway {

struct WorkerReport {
  enum class Kind {
    kProgress,  // so many bytes and frames until now
    kResult,    // it is done; everything is set
    kError,     // it failed; only `error` is set
  };
  Kind kind = Kind::kProgress;
  uint64_t bytes = 0;  // of the input; headers are not counted
  uint64_t frames = 0;
  uint64_t waits = 0;  // of the producer: claims that had to wait for room
  // CLOCK_MONOTONIC, the same for all processes of the host. Zero: no frame.
  int64_t first_ns = 0;    // before the first claim
  int64_t last_ns = 0;     // after the last frame was drained, or was done with
  std::string sha256;      // hex; empty if nothing is hashed
  LatencySummary latency;  // of a consumer: from just before a commit until the consumer had it
  absl::Status error;
};

// One line, without its newline.
std::string EncodeWorkerReport(const WorkerReport& report);

// InvalidArgument: no report; the message shows the line.
absl::StatusOr<WorkerReport> DecodeWorkerReport(std::string_view line);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_WORKER_REPORT_H_
