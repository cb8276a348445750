#include "agents/cli/process_group.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

constexpr int kHandledSignals[] = {SIGINT, SIGTERM, SIGHUP};

// A child that writes this much without a newline has lost its way; it gets one line for it.
constexpr size_t kMaxLineBytes = size_t{1} << 20;

int PidfdOpen(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

// Everything that the new process needs, made before fork(): between fork() and exec() only
// async-signal-safe calls are allowed.
struct Launch {
  std::vector<char*> argv;
  int stdin_fd;
  int report_fd;
  int parent_death_signal;
  pid_t parent;
};

[[noreturn]] void RunChild(const Launch& launch) {
  // The order matters: a parent that died before prctl() is seen by getppid(), one that dies later
  // sends the signal. The setting survives exec().
  if (prctl(PR_SET_PDEATHSIG, launch.parent_death_signal) != 0 || getppid() != launch.parent) {
    _exit(127);
  }
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGTERM, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  // The report pipe moves out of the way of 0..3 first.
  const int report_fd = fcntl(launch.report_fd, F_DUPFD_CLOEXEC, kReportFd + 1);
  const int stdin_fd = launch.stdin_fd >= 0 ? fcntl(launch.stdin_fd, F_DUPFD_CLOEXEC, kReportFd + 1)
                                            : open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (report_fd < 0 || stdin_fd < 0) _exit(127);
  // dup2() of a number onto itself would leave it close-on-exec; /dev/null may have got any.
  const int in = fcntl(stdin_fd, F_DUPFD_CLOEXEC, kReportFd + 1);
  if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
      dup2(report_fd, kReportFd) < 0) {
    _exit(127);
  }
  // Whatever else this process was started with is none of the child's business.
  close_range(kReportFd + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  execv("/proc/self/exe", launch.argv.data());
  _exit(127);
}

}  // namespace

std::string DescribeWaitStatus(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    return absl::StrCat("was killed by signal ", signal, " (", strsignal(signal), ")");
  }
  return absl::StrCat("exited with status ", WEXITSTATUS(wait_status));
}

void EndBySignal(int signal) {
  std::fflush(nullptr);
  std::signal(signal, SIG_DFL);
  raise(signal);
  _exit(128 + signal);
}

absl::StatusOr<ProcessGroup> ProcessGroup::Create() {
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : kHandledSignals) {
    struct sigaction action;
    sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&handled, number);
  }
  UniqueFd signals(signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid()) return StatusFromErrno(errno, {.operation = "signalfd"});
  sigset_t old_mask;
  sigprocmask(SIG_BLOCK, &handled, &old_mask);
  signal(SIGPIPE, SIG_IGN);
  return ProcessGroup(std::move(signals), old_mask);
}

ProcessGroup::ProcessGroup(ProcessGroup&& other) noexcept
    : signals_(std::move(other.signals_)),
      old_mask_(other.old_mask_),
      children_(std::move(other.children_)) {
  other.children_.clear();
}

ProcessGroup::~ProcessGroup() {
  if (!signals_.valid()) return;  // Moved from.
  StopAll();
  while (TakeSignal().has_value()) {
  }
  sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
}

absl::StatusOr<size_t> ProcessGroup::Start(const ChildSpec& spec) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return StatusFromErrno(errno, {.operation = "pipe2"});
  UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  fcntl(read_end.get(), F_SETFL, O_NONBLOCK);

  std::vector<std::string> words = {"causeway"};
  words.insert(words.end(), spec.args.begin(), spec.args.end());
  Launch launch{.stdin_fd = spec.stdin_fd,
                .report_fd = write_end.get(),
                .parent_death_signal = spec.stop_signal,
                .parent = getpid()};
  for (std::string& word : words) launch.argv.push_back(word.data());
  launch.argv.push_back(nullptr);

  const pid_t pid = fork();
  if (pid < 0) return StatusFromErrno(errno, {.operation = "fork", .path = spec.name});
  if (pid == 0) RunChild(launch);

  // The child cannot be waited for by anybody else, so its pid is still its own.
  UniqueFd pidfd(PidfdOpen(pid));
  if (!pidfd.valid()) {
    const absl::Status status =
        StatusFromErrno(errno, {.operation = "pidfd_open", .path = spec.name});
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return status;
  }
  children_.push_back(Child{.name = spec.name,
                            .pid = pid,
                            .stop_signal = spec.stop_signal,
                            .pidfd = std::move(pidfd),
                            .reports = std::move(read_end)});
  return children_.size() - 1;
}

absl::StatusOr<ProcessEvent> ProcessGroup::Next(absl::Time deadline) {
  while (true) {
    if (std::optional<ProcessEvent> event = TakeSignal()) return *std::move(event);
    if (std::optional<ProcessEvent> event = TakeBuffered()) return *std::move(event);

    std::vector<pollfd> fds = {{.fd = signals_.get(), .events = POLLIN}};
    for (const Child& child : children_) {
      // poll() passes over negative numbers.
      fds.push_back({.fd = child.pidfd.get(), .events = POLLIN});
      fds.push_back({.fd = child.reports.get(), .events = POLLIN});
    }
    const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
    const timespec timeout = absl::ToTimespec(std::min(left, absl::Hours(24)));
    const int ready = ppoll(fds.data(), fds.size(), &timeout, nullptr);
    if (ready < 0 && errno != EINTR) return StatusFromErrno(errno, {.operation = "ppoll"});
    if (ready == 0 && absl::Now() >= deadline) return ProcessEvent{};
    for (size_t i = 0; ready > 0 && i < children_.size(); ++i) {
      if (fds[1 + 2 * i].revents != 0) Reap(children_[i]);
      if (fds[2 + 2 * i].revents != 0 || fds[1 + 2 * i].revents != 0) ReadReports(children_[i]);
    }
  }
}

void ProcessGroup::Signal(size_t child, int signal) {
  const Child& target = children_[child];
  if (target.pidfd.valid()) kill(target.pid, signal);  // Not waited for: the pid is its own.
}

void ProcessGroup::StopAll(absl::Duration patience) {
  const absl::Time give_up = absl::Now() + patience;
  for (auto child = children_.rbegin(); child != children_.rend(); ++child) {
    if (!child->pidfd.valid()) continue;
    kill(child->pid, child->stop_signal);
    kill(child->pid, SIGCONT);  // A stopped process would not see the other signal.
    pollfd ended = {.fd = child->pidfd.get(), .events = POLLIN};
    int ready = 0;
    do {
      const absl::Duration left = std::max(give_up - absl::Now(), absl::ZeroDuration());
      ready = poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(left)));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) kill(child->pid, SIGKILL);
    Reap(*child);
  }
}

std::optional<ProcessEvent> ProcessGroup::TakeSignal() {
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
  return ProcessEvent{.kind = ProcessEvent::Kind::kSignal,
                      .signal = static_cast<int>(info.ssi_signo)};
}

// Lines that were read already, then the ends of children without any.
std::optional<ProcessEvent> ProcessGroup::TakeBuffered() {
  for (size_t i = 0; i < children_.size(); ++i) {
    Child& child = children_[i];
    const size_t newline = child.buffer.find('\n');
    if (newline != std::string::npos) {
      ProcessEvent event{.kind = ProcessEvent::Kind::kLine, .child = i};
      event.line = child.buffer.substr(0, newline);
      child.buffer.erase(0, newline + 1);
      return event;
    }
    if (child.exit_pending) {
      child.exit_pending = false;
      return ProcessEvent{
          .kind = ProcessEvent::Kind::kExit, .child = i, .wait_status = child.wait_status};
    }
  }
  return std::nullopt;
}

void ProcessGroup::ReadReports(Child& child) {
  char chunk[4096];
  while (child.reports.valid()) {
    const ssize_t got = read(child.reports.get(), chunk, sizeof chunk);
    if (got > 0) {
      child.buffer.append(chunk, static_cast<size_t>(got));
      if (child.buffer.size() > kMaxLineBytes) child.buffer = "\n";
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && child.pidfd.valid()) return;
    // At its end; or the child is gone and somebody else holds the pipe, who will not be heard.
    if (!child.buffer.empty() && child.buffer.back() != '\n') child.buffer.push_back('\n');
    child.reports.Reset();
  }
}

void ProcessGroup::Reap(Child& child) {
  if (!child.pidfd.valid()) return;
  int wait_status = 0;
  while (waitpid(child.pid, &wait_status, 0) < 0 && errno == EINTR) {
  }
  child.wait_status = wait_status;
  child.exit_pending = true;
  child.pidfd.Reset();
}

}  // namespace causeway
