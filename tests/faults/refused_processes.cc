#include "tests/faults/refused_processes.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace causeway::faults {
namespace {

constexpr char kRefuse[] = "CAUSEWAY_REFUSE";

std::string EndOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? absl::StrCat("signal ", WTERMSIG(wait_status))
                                  : absl::StrCat("exit ", WEXITSTATUS(wait_status));
}

ProcessHoldings ParseHoldings(const std::string& line) {
  ProcessHoldings holdings;
  std::istringstream(line) >> holdings.descriptors >> holdings.threads >> holdings.mappings;
  return holdings;
}

std::string MakeDirectory(std::string path) {
  if (mkdtemp(path.data()) == nullptr) {
    std::perror(path.c_str());
    std::exit(1);
  }
  return path;
}

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

RefusedAgent::RefusedAgent(const std::string& dir)
    : process_({TestProgram("tests/faults/refused_agent"), dir}) {}

ProcessHoldings RefusedAgent::Holdings() { return ParseHoldings(Ask("left")); }

std::string RefusedAgent::End() {
  process_.CloseInput();
  return EndOf(process_.Wait());
}

RefusedCoordinator::RefusedCoordinator()
    : parent_(MakeDirectory("/tmp/causeway-refused-XXXXXX")),
      dir_(parent_ + "/dir"),
      volatile_dir_(MakeDirectory("/dev/shm/causeway-refused-XXXXXX")) {}

RefusedCoordinator::~RefusedCoordinator() {
  process_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(parent_, ignored);
  std::filesystem::remove_all(volatile_dir_, ignored);
}

bool RefusedCoordinator::Start(const std::string& refusal) {
  log_begin_ = Contents(dir_ + ".log").size();
  if (!refusal.empty()) setenv(kRefuse, refusal.c_str(), 1);
  process_ = std::make_unique<ChildProcess>(std::vector<std::string>{
      TestProgram("tests/faults/refused_coordinator"), absl::StrCat("--dir=", dir_),
      absl::StrCat("--volatile_dir=", volatile_dir_),
      absl::StrCat("--ready_fd=", ChildProcess::kReportFd)});
  unsetenv(kRefuse);
  pidfd_.Reset(static_cast<int>(syscall(SYS_pidfd_open, process_->pid(), 0)));
  return process_->ReadLine() != "(end)";
}

ProcessHoldings RefusedCoordinator::Holdings() { return ParseHoldings(Ask("left")); }

bool RefusedCoordinator::AwaitEnd(absl::Duration timeout) {
  pollfd ended = {.fd = pidfd_.get(), .events = POLLIN};
  return poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) == 1;
}

std::string RefusedCoordinator::End() { return EndOf(process_->Wait()); }

std::string RefusedCoordinator::Log() const { return Contents(dir_ + ".log").substr(log_begin_); }

}  // namespace causeway::faults
