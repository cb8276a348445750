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
//
// CAUSEWAY_TEST_VOLATILE_DIR in the environment names the directory in which volatile directories
// are made, in the place of /dev/shm: ./bazelw test --test_env=CAUSEWAY_TEST_VOLATILE_DIR=... runs
// the tests on a small tmpfs.
class CoordinatorProcess {
 public:
  // Where its directories are made.
  struct Parents {
    std::string dir = "/tmp";
    std::string volatile_dir;  // empty: as above
  };
  CoordinatorProcess() : CoordinatorProcess(Parents{}) {}
  explicit CoordinatorProcess(const Parents& parents);
  ~CoordinatorProcess();
  CoordinatorProcess(const CoordinatorProcess&) = delete;
  CoordinatorProcess& operator=(const CoordinatorProcess&) = delete;

  const std::string& dir() const { return dir_; }
  const std::string& volatile_dir() const { return volatile_dir_; }

  // SIGKILL, and gone when it returns.
  void Kill();
  // SIGTERM, and stopped in good order when it returns.
  void Terminate();
  // Starts it again on the same directories; ready when it returns.
  void Start();
  // As Start(), but another program that is a data dependency of the test: a coordinator of another
  // release.
  void Start(const std::string& program);
  pid_t pid() const { return process_->pid(); }
  // SIGSTOP, and stopped when it returns; SIGCONT.
  void Stop();
  void Continue();

  // While it does not run: removes all that it knows; keeps a copy of what it knows; puts that in
  // the place of what it has learnt since.
  void LoseState();
  void SaveState();
  void RestoreState();

  // Admin calls.
  absl::Status Evict(uint64_t session_id, const std::string& reason);
  absl::Status DeleteStream(const std::string& stream);
  // What it says of itself: its version, and the bytes of all granted extents.
  std::string Version();
  uint64_t GrantedBytes();
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
