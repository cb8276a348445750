// A real coordinator for tests, in a process of its own: to be killed, restarted, and asked.

#ifndef CAUSEWAY_AGENTS_TESTING_COORDINATOR_PROCESS_H_
#define CAUSEWAY_AGENTS_TESTING_COORDINATOR_PROCESS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agents/testing/child_process.h"

namespace causeway {

// With directories of its own, removed by the destructor. Fails the test if the coordinator does
// not start.
class CoordinatorProcess {
 public:
  CoordinatorProcess();
  ~CoordinatorProcess();
  CoordinatorProcess(const CoordinatorProcess&) = delete;
  CoordinatorProcess& operator=(const CoordinatorProcess&) = delete;

  const std::string& dir() const { return dir_; }
  const std::string& volatile_dir() const { return volatile_dir_; }

  // SIGKILL, and gone when it returns.
  void Kill();
  // Starts it again on the same directories; ready when it returns.
  void Start();
  // Removes all that it knows, while it does not run.
  void LoseState();

  // Admin calls.
  absl::Status Evict(uint64_t session_id, const std::string& reason);
  absl::Status DeleteStream(const std::string& stream);
  // Names of the agents that it lists.
  std::vector<std::string> Agents();

  // Files in the volatile and in the data directory.
  size_t CountFiles() const;
  // Waits until an event of the file system leaves CountFiles() at `count`.
  void AwaitFiles(size_t count) const;

 private:
  std::string parent_;
  std::string dir_;
  std::string volatile_dir_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_TESTING_COORDINATOR_PROCESS_H_
