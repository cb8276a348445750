#include "agents/testing/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "gtest/gtest.h"

namespace causeway {

ChildProcess::ChildProcess(const std::vector<std::string>& arguments) {
  int input[2];
  int report[2];
  EXPECT_EQ(pipe2(input, O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(report, O_CLOEXEC), 0);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  // A signal for the child that comes before its program runs is not for a handler of ours.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_ = fork();
  if (pid_ == 0) {
    for (const int ending : {SIGINT, SIGTERM}) signal(ending, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    // A test that dies leaves nobody behind.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    // Whoever stops a long run from a terminal stops its parent, which then ends it in good order.
    setpgid(0, 0);
    const int report_fd = fcntl(report[1], F_DUPFD, kReportFd + 1);  // Out of the way of dup2().
    dup2(input[0], STDIN_FILENO);
    dup2(report_fd, kReportFd);
    close(report_fd);
    execv(argv[0], argv.data());
    _exit(127);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_GT(pid_, 0);
  close(input[0]);
  close(report[1]);
  to_child_.Reset(input[1]);
  from_child_.Reset(report[0]);
}

ChildProcess::~ChildProcess() { Kill(); }

void ChildProcess::Send(const std::string& line) {
  const std::string bytes = line + "\n";
  const ssize_t written = write(to_child_.get(), bytes.data(), bytes.size());
  if (written < 0 && errno == EPIPE) return;  // ReadLine() tells that it has ended.
  ASSERT_EQ(written, static_cast<ssize_t>(bytes.size()));
}

std::string ChildProcess::ReadLine() {
  while (true) {
    if (const size_t end = unread_.find('\n'); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    char buffer[4096];
    const ssize_t got = read(from_child_.get(), buffer, sizeof(buffer));
    if (got <= 0) return "(end)";
    unread_.append(buffer, static_cast<size_t>(got));
  }
}

std::string ChildProcess::Ask(const std::string& line) {
  Send(line);
  return ReadLine();
}

void ChildProcess::Signal(int signal) { ASSERT_EQ(kill(pid_, signal), 0); }

void ChildProcess::AwaitStop() {
  int status = 0;
  ASSERT_EQ(waitpid(pid_, &status, WUNTRACED), pid_);
  ASSERT_TRUE(WIFSTOPPED(status));
}

void ChildProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  Wait();
}

int ChildProcess::Wait() {
  if (pid_ > 0) waitpid(std::exchange(pid_, -1), &wait_status_, 0);
  return wait_status_;
}

std::string TestProgram(const std::string& path_in_workspace) {
  const char* root = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  // Started by `bazel run`: where it begins is the root of its data dependencies.
  if (root == nullptr || workspace == nullptr) {
    return std::filesystem::absolute(path_in_workspace).string();
  }
  return std::string(root) + "/" + workspace + "/" + path_in_workspace;
}

}  // namespace causeway
