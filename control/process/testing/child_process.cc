#include "control/process/testing/child_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace causeway::testing {

ChildProcess::ChildProcess(std::function<void()> body) : pid_(fork()) {
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  while (true) pause();
}

ChildProcess::~ChildProcess() { KillAndReap(); }

void ChildProcess::Kill() {
  if (!reaped_ && pid_ > 0) kill(pid_, SIGKILL);
}

void ChildProcess::Reap() {
  if (reaped_ || pid_ <= 0) return;
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
}

void ChildProcess::KillAndReap() {
  Kill();
  Reap();
}

}  // namespace causeway::testing
