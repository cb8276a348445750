#include "tests/bench/crew.h"

#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway::bench {
namespace {

constexpr int kPatienceMillis = 60'000;
constexpr int kFarewellMillis = 5'000;

// Of the cores that this process may use, the one for the process with this index.
void PinByIndex(size_t index) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  size_t left = index % CPU_COUNT(&allowed);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || left-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof(one), &one);
    return;
  }
}

// What a process begins with, right after fork().
void SettleIn(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
  signal(SIGINT, SIG_IGN);  // A terminal sends it to all; the parent decides.
  signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Crew>> Crew::Start(std::unique_ptr<Transport> transport,
                                                  std::span<const ChannelSpec> channels,
                                                  std::span<const Role> roles, bool pinned) {
  void* const shared =
      mmap(nullptr, sizeof(Rendezvous), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return StatusFromErrno(errno, {.operation = "mmap"});
  std::unique_ptr<Crew> crew(new Crew(std::move(transport), new (shared) Rendezvous));
  if (const absl::Status prepared = crew->transport_->Prepare(channels); !prepared.ok()) {
    return prepared;
  }
  std::fflush(nullptr);
  const pid_t parent = getpid();
  for (size_t i = 0; i < roles.size(); ++i) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      return StatusFromErrno(errno, {.operation = "socketpair"});
    }
    UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    const pid_t pid = fork();
    if (pid < 0) return StatusFromErrno(errno, {.operation = "fork"});
    if (pid == 0) {
      SettleIn(parent);
      if (pinned) PinByIndex(i);
      JobFeed feed(theirs.get(), crew->rendezvous_, roles.size());
      crew->transport_->Serve(roles[i], feed);
      std::fflush(nullptr);
      _exit(0);
    }
    crew->members_.push_back({pid, std::move(ours)});
  }
  if (const auto ready = crew->Collect(); !ready.ok()) return ready.status();
  return crew;
}

Crew::~Crew() {
  const Job exit;
  for (const Member& member : members_) {
    send(member.socket.get(), &exit, sizeof(exit), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  for (const Member& member : members_) {
    // The parent has not waited for it yet, so the number is still this process's.
    const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, member.pid, 0)));
    pollfd ended = {.fd = pidfd.get(), .events = POLLIN};
    if (poll(&ended, 1, kFarewellMillis) != 1) kill(member.pid, SIGKILL);
    waitpid(member.pid, nullptr, 0);
  }
  munmap(rendezvous_, sizeof(Rendezvous));
}

absl::StatusOr<std::vector<JobResult>> Crew::Run(std::span<const Job> jobs) {
  for (size_t i = 0; i < members_.size(); ++i) {
    if (send(members_[i].socket.get(), &jobs[i], sizeof(Job), MSG_NOSIGNAL) != sizeof(Job)) {
      return absl::UnavailableError(absl::StrCat("process ", i, " has gone"));
    }
  }
  return Collect();
}

absl::StatusOr<std::vector<JobResult>> Crew::Collect() {
  std::vector<JobResult> results(members_.size());
  std::vector<pollfd> open;
  for (const Member& member : members_) open.push_back({member.socket.get(), POLLIN, 0});
  for (size_t left = members_.size(); left > 0;) {
    const int ready = poll(open.data(), open.size(), kPatienceMillis);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return absl::DeadlineExceededError("no answer within a minute");
    for (size_t i = 0; i < open.size(); ++i) {
      if (open[i].revents == 0) continue;
      if (recv(open[i].fd, &results[i], sizeof(JobResult), MSG_DONTWAIT) != sizeof(JobResult)) {
        return absl::UnavailableError(
            absl::StrCat("process ", i, " of ", open.size(), " died; see above"));
      }
      if (results[i].error[0] != '\0') return absl::UnavailableError(results[i].error);
      open[i].fd = -1;
      --left;
    }
  }
  return results;
}

}  // namespace causeway::bench
