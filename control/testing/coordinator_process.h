// The coordinator as users run it: a process of its own, to be served by, stopped and killed.

#ifndef CAUSEWAY_CONTROL_TESTING_COORDINATOR_PROCESS_H_
#define CAUSEWAY_CONTROL_TESTING_COORDINATOR_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace causeway::testing {

// Runs //control:coordinator, which must be a data dependency of the test, with `--dir` and the
// `flags`. Its log goes to a file of its own. Stopped, in good order,
// when the object goes away.
class CoordinatorProcess {
 public:
  // Returns when it serves, or has ended.
  CoordinatorProcess(const std::string& directory, const std::vector<std::string>& flags = {});
  ~CoordinatorProcess();
  CoordinatorProcess(const CoordinatorProcess&) = delete;
  CoordinatorProcess& operator=(const CoordinatorProcess&) = delete;

  bool ready() const { return ready_; }
  pid_t pid() const { return pid_; }

  void Kill();
  // SIGTERM.
  void Terminate();
  // Waits for its end; returns its exit code, or minus the number of the signal that ended it.
  int Wait();

  // What it has logged so far.
  std::string Log() const;

 private:
  std::string log_path_;
  pid_t pid_ = -1;
  bool ready_ = false;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_TESTING_COORDINATOR_PROCESS_H_
