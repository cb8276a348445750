#include "mmapcore/testing/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

extern char** environ;

namespace causeway::testing {
namespace {

std::string DescribeEnd(int status) {
  if (WIFEXITED(status)) return absl::StrCat("exit ", WEXITSTATUS(status));
  const char* name = sigabbrev_np(WTERMSIG(status));
  return absl::StrCat("signal ", WTERMSIG(status), " (SIG", name == nullptr ? "?" : name, ")");
}

}  // namespace

std::string RunInChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid < 0) return absl::StrCat("fork failed: errno ", errno);
  if (pid == 0) _exit(body());
  int status = 0;
  if (RepeatIfInterrupted([&] { return waitpid(pid, &status, 0); }) != pid) {
    return absl::StrCat("waitpid failed: errno ", errno);
  }
  return DescribeEnd(status);
}

absl::StatusOr<Peer> Peer::Start(const std::vector<std::string>& command_line) {
  int input[2];
  int output[2];
  if (pipe2(input, O_CLOEXEC) != 0) {
    return StatusFromErrno(errno, {.operation = "pipe2", .path = ""});
  }
  UniqueFd peer_input(input[0]), to_peer(input[1]);
  if (pipe2(output, O_CLOEXEC) != 0) {
    return StatusFromErrno(errno, {.operation = "pipe2", .path = ""});
  }
  UniqueFd from_peer(output[0]), peer_output(output[1]);

  std::vector<char*> arguments;
  for (const std::string& argument : command_line) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, peer_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, peer_output.get(), STDOUT_FILENO);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return StatusFromErrno(error, {.operation = "posix_spawn", .path = command_line[0]});
  }
  return Peer(pid, std::move(to_peer), std::move(from_peer));
}

Peer::Peer(int pid, UniqueFd to_peer, UniqueFd from_peer)
    : pid_(pid), to_peer_(std::move(to_peer)), from_peer_(std::move(from_peer)) {}

Peer::Peer(Peer&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      to_peer_(std::move(other.to_peer_)),
      from_peer_(std::move(other.from_peer_)) {}

Peer::~Peer() {
  if (pid_ == 0) return;
  to_peer_.Reset();
  int status = 0;
  RepeatIfInterrupted([&] { return waitpid(pid_, &status, 0); });
}

void Peer::Kill() {
  const pid_t pid = std::exchange(pid_, 0);
  if (pid == 0) return;
  kill(pid, SIGKILL);
  int status = 0;
  RepeatIfInterrupted([&] { return waitpid(pid, &status, 0); });
}

absl::StatusOr<std::string> Peer::Ask(const std::string& line) {
  signal(SIGPIPE, SIG_IGN);  // A peer that has ended is an error below, not our end.
  const std::string message = line + "\n";
  if (write(to_peer_.get(), message.data(), message.size()) !=
      static_cast<ssize_t>(message.size())) {
    return absl::UnavailableError(absl::StrCat("the peer does not take ", line));
  }
  std::string answer;
  char next = 0;
  while (RepeatIfInterrupted([&] { return read(from_peer_.get(), &next, 1); }) == 1) {
    if (next == '\n') return answer;
    answer += next;
  }
  return absl::UnavailableError(absl::StrCat("the peer ended without an answer to ", line));
}

std::string Runfile(const std::string& path_in_workspace) {
  const char* runfiles = getenv("TEST_SRCDIR");
  const char* workspace = getenv("TEST_WORKSPACE");
  if (runfiles == nullptr || workspace == nullptr) return path_in_workspace;
  return absl::StrCat(runfiles, "/", workspace, "/", path_in_workspace);
}

}  // namespace causeway::testing
