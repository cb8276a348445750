// The two programs whose system calls are refused, as their driver sees them.

#ifndef CAUSEWAY_TESTS_FAULTS_REFUSED_PROCESSES_H_
#define CAUSEWAY_TESTS_FAULTS_REFUSED_PROCESSES_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "agents/testing/child_process.h"
#include "mmapcore/unique_fd.h"

namespace causeway::faults {

// What a process has open, as it says itself.
struct ProcessHoldings {
  int descriptors = 0;
  int threads = 0;
  int mappings = 0;
};

// :refused_agent.
class RefusedAgent {
 public:
  explicit RefusedAgent(const std::string& dir);

  std::string Ask(const std::string& line) { return process_.Ask(line); }
  ProcessHoldings Holdings();
  // Waits for its end: "exit 0", "signal 6"...
  std::string End();

 private:
  ChildProcess process_;
};

// :refused_coordinator, with directories of its own, removed by the destructor.
class RefusedCoordinator {
 public:
  // Does not start it.
  RefusedCoordinator();
  ~RefusedCoordinator();
  RefusedCoordinator(const RefusedCoordinator&) = delete;
  RefusedCoordinator& operator=(const RefusedCoordinator&) = delete;

  // Starts it on the same directories. `refusal`: the line that it obeys first; empty: none. False:
  // it has ended instead of being ready.
  bool Start(const std::string& refusal = "");
  std::string Ask(const std::string& line) { return process_->Ask(line); }
  ProcessHoldings Holdings();
  void Signal(int signal) { process_->Signal(signal); }
  // Whether it ends within that time. End() as RefusedAgent's.
  bool AwaitEnd(absl::Duration timeout);
  std::string End();

  pid_t pid() const { return process_->pid(); }
  const std::string& dir() const { return dir_; }
  const std::string& volatile_dir() const { return volatile_dir_; }
  // What it has logged since the last Start().
  std::string Log() const;

 private:
  std::string parent_;
  std::string dir_;
  std::string volatile_dir_;
  std::unique_ptr<ChildProcess> process_;
  UniqueFd pidfd_;
  size_t log_begin_ = 0;
};

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_REFUSED_PROCESSES_H_
