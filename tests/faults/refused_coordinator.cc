// A coordinator that is told, in lines, to refuse its own system calls (refusable_calls.h). Flags
// as the coordinator's; --ready_fd must be 3, and answers go there, too. Logs go to <dir>.log.
// CAUSEWAY_REFUSE in the environment is the first such line, obeyed before anything else.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>

#include "control/coordinator_main.h"
#include "tests/faults/refusable_calls.h"

namespace causeway::faults {
namespace {

constexpr int kReadyFd = 3;

void Listen(int answers) {
  for (std::string line; std::getline(std::cin, line);) {
    const std::string answer = ObeyRefusals(CallsOfCoordinators(), line) + "\n";
    if (write(answers, answer.data(), answer.size()) < 0) return;
  }
}

int Main(int argc, char** argv) {
  constexpr std::string_view kDir = "--dir=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (!flag.starts_with(kDir)) continue;
    const std::string log = std::string(flag.substr(kDir.size())) + ".log";
    if (std::freopen(log.c_str(), "a", stderr) == nullptr) return 3;
  }
  const int answers = dup(kReadyFd);
  Watch(CallsOfCoordinators());
  if (const char* const first = std::getenv("CAUSEWAY_REFUSE"); first != nullptr) {
    ObeyRefusals(CallsOfCoordinators(), first);
  }
  // The signals that stop the coordinator are for its main thread alone.
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, SIGSYS);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread(Listen, answers).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const int code = CoordinatorMain(argc, argv);
  _exit(code);  // The other thread still listens, and holds standard input.
}

}  // namespace
}  // namespace causeway::faults

int main(int argc, char** argv) { return causeway::faults::Main(argc, argv); }
