#include "control/testing/coordinator_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "mmapcore/testing/subprocess.h"
#include "mmapcore/unique_fd.h"

namespace causeway::testing {
namespace {

// The child's number of the descriptor that it reports on.
constexpr int kReadyFd = 3;

std::string LogPath() {
  const char* directory = getenv("TEST_TMPDIR");
  std::string path = std::string(directory == nullptr ? "/tmp" : directory) + "/log.XXXXXX";
  UniqueFd(mkstemp(path.data()));
  return path;
}

}  // namespace

CoordinatorProcess::CoordinatorProcess(const std::string& directory,
                                       const std::vector<std::string>& flags)
    : log_path_(LogPath()) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  std::vector<std::string> words = {Runfile("control/coordinator"), "--dir=" + directory,
                                    "--ready_fd=" + std::to_string(kReadyFd), "--log_level=debug"};
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_path_.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), kReadyFd);
  if (posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
  theirs.Reset();

  char line[16];
  ssize_t count;
  do {
    count = read(ours.get(), line, sizeof(line));
  } while (count < 0 && errno == EINTR);
  ready_ = count > 0;
}

CoordinatorProcess::~CoordinatorProcess() {
  Terminate();
  Wait();
}

void CoordinatorProcess::Kill() {
  if (pid_ > 0) kill(pid_, SIGKILL);
}

void CoordinatorProcess::Terminate() {
  if (pid_ > 0) kill(pid_, SIGTERM);
}

int CoordinatorProcess::Wait() {
  if (pid_ <= 0) return -1;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string CoordinatorProcess::Log() const {
  std::ostringstream text;
  text << std::ifstream(log_path_).rdbuf();
  return text.str();
}

}  // namespace causeway::testing
