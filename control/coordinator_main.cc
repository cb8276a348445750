#include "control/coordinator_main.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "control/api/version/version.h"
#include "control/coordinator.h"
#include "control/coordinator_flags.h"
#include "control/log/log.h"
#include "mmapcore/background_thread.h"

namespace causeway {
namespace {

// Calls get two seconds to end; the rest takes milliseconds.
constexpr absl::Duration kLongestStop = absl::Seconds(10);

// Descriptors wait in queues for agents that are slow to read: the default of 1,024 is soon met.
void RaiseLimitOfOpenFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

void SayReady(int descriptor) {
  constexpr char kLine[] = "ready\n";
  if (write(descriptor, kLine, sizeof(kLine) - 1) < 0) {
    Log(LogLevel::kWarning, "ready_fd cannot be written", {{"ready_fd", descriptor}});
  }
  close(descriptor);
}

// gRPC's own shutdown has no bound: where the kernel once refused it a send (ENOBUFS), a call waits
// for ever for a socket that is writable all the time. To be killed is as safe as to stop, so the
// process ends, and what a stop would have tidied up is left to the next coordinator.
void EndAnywayAfter(absl::Duration patience) {
  absl::StatusOr<std::thread> thread = StartBackgroundThread("causeway-stop", [patience] {
    absl::SleepFor(patience);
    Log(LogLevel::kError, "stopped without waiting any longer",
        {{"after_seconds", absl::ToInt64Seconds(patience)},
         {"reason", "calls did not end; the next start tidies up"}});
    _exit(1);
  });
  if (thread.ok()) thread->detach();
}

}  // namespace

int CoordinatorMain(int argc, char** argv) { return CoordinatorMain(argc, argv, kVersion); }

int CoordinatorMain(int argc, char** argv, const std::string& version) {
  const auto parsed = ParseCoordinatorFlags(argc, argv);
  if (const auto* answer = std::get_if<FlagsAnswer>(&parsed)) {
    std::fputs(answer->text.c_str(), answer->exit_code == 0 ? stdout : stderr);
    return answer->exit_code;
  }
  const CoordinatorFlags& flags = std::get<CoordinatorFlags>(parsed);
  LogToStandardError(flags.log_level);
  umask(077);
  RaiseLimitOfOpenFiles();
  // Before there are threads, which inherit it: the signals are for sigwait() alone.
  const sigset_t stop_signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  std::atomic<bool> failed = false;
  CoordinatorOptions options = flags.options;
  options.version = version;
  options.on_failure = [&failed](const absl::Status&) {
    failed = true;
    kill(getpid(), SIGTERM);  // Ends the wait below.
  };
  absl::StatusOr<std::unique_ptr<Coordinator>> coordinator = Coordinator::Start(options);
  if (!coordinator.ok()) {
    Log(LogLevel::kError, "cannot serve",
        {{"directory", flags.options.directory}, {"reason", coordinator.status()}});
    return 1;
  }
  Log(LogLevel::kInfo, "ready", {{"directory", (*coordinator)->directory()}, {"pid", getpid()}});
  if (flags.ready_fd >= 0) SayReady(flags.ready_fd);

  int signal_number = 0;
  sigwait(&stop_signals, &signal_number);
  Log(LogLevel::kInfo, "stopping", {{"signal", signal_number}});
  // The second Ctrl-C ends the process. Another SIGTERM does not: where it comes from the kernel
  // because the parent died (PR_SET_PDEATHSIG), it comes once for each of the parent's threads.
  sigset_t impatience;
  sigemptyset(&impatience);
  sigaddset(&impatience, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &impatience, nullptr);
  EndAnywayAfter(kLongestStop);
  (*coordinator)->Shutdown();
  return failed ? 1 : 0;
}

}  // namespace causeway
