// The parent of an exchange: starts the workers, follows what they tell, and ends with all of them
// gone.

#ifndef CAUSEWAY_AGENTS_CLI_EXCHANGE_SUPERVISOR_H_
#define CAUSEWAY_AGENTS_CLI_EXCHANGE_SUPERVISOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/cli/exchange_worker_options.h"
#include "agents/cli/process_group.h"
#include "agents/cli/progress.h"
#include "agents/cli/report.h"

namespace causeway {

// Runs the workers of one exchange as children of a group, which may have other children. Not
// thread-safe.
class ExchangeSupervisor {
 public:
  // `group` must outlive this object. `total_bytes`: how much is to be sent, if that is known.
  // `progress_width`: of the terminal at standard error; zero: no progress is shown.
  ExchangeSupervisor(ProcessGroup& group, std::optional<uint64_t> total_bytes,
                     size_t progress_width)
      : group_(group), total_bytes_(total_bytes), progress_width_(progress_width) {}

  // Starts one producer, with `input_fd` as its standard input, and `options.consumers` consumers,
  // and waits until all have done their work. Fills in the report's producer and consumers. If
  // anything fails, the caller stops the group.
  //
  // Cancelled: a signal came; signal() says which. Aborted: a child ended before its time; the
  // message says which, and how. Others: what a worker reported, with its name.
  absl::Status Run(const ExchangeWorkerOptions& options, int input_fd, ExchangeReport& report);

  // The signal that ended Run(); zero if none did.
  int signal() const { return signal_; }

 private:
  struct Worker {
    size_t child = 0;
    std::string name;
    std::optional<WorkerReport> result;
    bool ended = false;
  };

  absl::Status StartWorkers(const ExchangeWorkerOptions& options, int input_fd);
  absl::Status Follow(Progress& progress);
  absl::Status Obey(const ProcessEvent& event, Progress& progress);
  absl::Status ObeyLine(Worker& worker, const std::string& line, Progress& progress);
  absl::Status ObeyExit(const ProcessEvent& event);
  absl::Status RootCause(absl::Status reported, Progress& progress);
  std::optional<size_t> WorkerOf(size_t child) const;
  bool AllDone() const;

  ProcessGroup& group_;
  const std::optional<uint64_t> total_bytes_;
  const size_t progress_width_;
  std::vector<Worker> workers_;  // the producer first
  int signal_ = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_EXCHANGE_SUPERVISOR_H_
