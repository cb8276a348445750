// A real process to watch, kill and mourn.

#ifndef CAUSEWAY_CONTROL_PROCESS_TESTING_CHILD_PROCESS_H_
#define CAUSEWAY_CONTROL_PROCESS_TESTING_CHILD_PROCESS_H_

#include <sys/types.h>

#include <functional>

namespace causeway::testing {

// A forked process that runs `body`, then waits to be killed. It is killed and reaped when the
// object goes away, and dies with its parent. `body` runs in a copy of a process that may have had
// other threads: it keeps to system calls and to what was prepared before the fork.
class ChildProcess {
 public:
  explicit ChildProcess(std::function<void()> body = [] {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  // SIGKILL; the process stays a zombie until Reap().
  void Kill();
  // Waits for its end.
  void Reap();
  void KillAndReap();

 private:
  pid_t pid_;
  bool reaped_ = false;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_PROCESS_TESTING_CHILD_PROCESS_H_
