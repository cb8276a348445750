// A program that a test starts, speaks to in lines, stops, continues and kills.

#ifndef CAUSEWAY_AGENTS_TESTING_CHILD_PROCESS_H_
#define CAUSEWAY_AGENTS_TESTING_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "mmapcore/unique_fd.h"

namespace causeway {

// Fails the test where the program cannot be started. Every wait takes as long as it takes: the
// test's own time limit ends it. Belongs to one thread.
class ChildProcess {
 public:
  // Descriptor of the child on which it reports, besides its standard input and output.
  static constexpr int kReportFd = 3;

  // Lines to the child go to its standard input; lines of the child come from kReportFd. It ends
  // with the thread that started it, and hears nothing of Ctrl-C.
  explicit ChildProcess(const std::vector<std::string>& arguments);
  // Kills it.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  void Send(const std::string& line);
  // The child's next line; "(end)" once it has ended.
  std::string ReadLine();
  std::string Ask(const std::string& line);
  // It reads the end of its input.
  void CloseInput() { to_child_.Reset(); }

  void Signal(int signal);
  // Waits until it is stopped, after Signal(SIGSTOP).
  void AwaitStop();
  // Kills it, and waits until it is gone.
  void Kill();
  // Waits until it has ended. Returns the wait status.
  int Wait();

 private:
  pid_t pid_ = -1;
  int wait_status_ = 0;
  UniqueFd to_child_;
  UniqueFd from_child_;
  std::string unread_;
};

// The absolute path of a program that is a data dependency of the test.
std::string TestProgram(const std::string& path_in_workspace);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_TESTING_CHILD_PROCESS_H_
