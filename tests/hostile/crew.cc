#include "tests/hostile/crew.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_format.h"

namespace causeway::hostile {
namespace {

// Of a round that takes a second. Nothing is decided by it but that something hangs.
constexpr int kHangMillis = 180'000;

void Reap(pid_t pid, int* status) {
  while (waitpid(pid, status, 0) < 0 && errno == EINTR) continue;
}

}  // namespace

Crew::~Crew() {
  for (Member& member : members_) {
    if (member.pid == 0) continue;
    kill(member.pid, SIGKILL);
    Reap(member.pid, nullptr);
    close(member.pidfd);
  }
}

void Crew::Start(std::string name, const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    _exit(body());
  }
  const int pidfd = pid < 0 ? -1 : static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    std::perror("fork, pidfd_open");
    _exit(1);
  }
  members_.push_back({std::move(name), pid, pidfd});
}

absl::Status Crew::Join(const std::string& endless) {
  for (Member& member : members_) {
    if (member.name == endless) continue;
    if (absl::Status status = JoinOne(member); !status.ok()) return status;
  }
  for (Member& member : members_) {
    pollfd ended = {.fd = member.pidfd, .events = POLLIN, .revents = 0};
    if (member.name != endless || poll(&ended, 1, 0) == 0) continue;
    return absl::InternalError(absl::StrFormat("the %s has ended by itself", member.name));
  }
  return absl::OkStatus();
}

absl::Status Crew::JoinOne(Member& member) {
  pollfd ended = {.fd = member.pidfd, .events = POLLIN, .revents = 0};
  int ready;
  do {
    ready = poll(&ended, 1, kHangMillis);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) kill(member.pid, SIGABRT);
  int status = 0;
  Reap(std::exchange(member.pid, 0), &status);
  close(member.pidfd);
  if (ready == 0) return absl::InternalError(absl::StrFormat("the %s hangs", member.name));
  if (WIFSIGNALED(status)) {
    return absl::InternalError(
        absl::StrFormat("the %s was ended by signal %d", member.name, WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::InternalError(
        absl::StrFormat("the %s ended with status %d", member.name, WEXITSTATUS(status)));
  }
  return absl::OkStatus();
}

}  // namespace causeway::hostile
