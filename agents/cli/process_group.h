// A parent and the processes that it starts from its own program: none outlives the parent, and
// nothing that happens to any of them goes unnoticed.

#ifndef CAUSEWAY_AGENTS_CLI_PROCESS_GROUP_H_
#define CAUSEWAY_AGENTS_CLI_PROCESS_GROUP_H_

#include <sys/types.h>

#include <csignal>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// The descriptor on which a started process writes its lines to the parent.
inline constexpr int kReportFd = 3;

// What to start. The program is always this one (/proc/self/exe), also if its file was replaced
// meanwhile.
struct ChildSpec {
  std::string name;               // for messages: "consumer 1"
  std::vector<std::string> args;  // the arguments after the program's name
  int stdin_fd = -1;              // becomes its standard input; -1: /dev/null. Stays the caller's
  // What the kernel sends it when the parent dies, and Stop() when it is time to go. SIGKILL is
  // right for a process that has nothing to tidy up.
  int stop_signal = SIGKILL;
};

// What Next() saw.
struct ProcessEvent {
  enum class Kind {
    kLine,      // `child` wrote `line`
    kExit,      // `child` ended with `wait_status` (as of wait(2)); all its lines came before
    kSignal,    // the parent got `signal`: SIGINT, SIGTERM or SIGHUP
    kDeadline,  // nothing happened in time
  };
  Kind kind = Kind::kDeadline;
  size_t child = 0;
  std::string line;
  int wait_status = 0;
  int signal = 0;
};

// "exited with status 3", "was killed by signal 9 (Killed)".
std::string DescribeWaitStatus(int wait_status);

// Ends this process by `signal`, as whoever sent it expects, now that everything is tidied up.
[[noreturn]] void EndBySignal(int signal);

// Starts and watches processes. Not thread-safe; to be used from the main thread, since the kernel
// takes the end of the thread that started a child for the parent's death.
//
// While it exists, SIGINT, SIGTERM and SIGHUP are blocked in the calling thread and arrive as
// events (those that were ignored at the start, as under nohup, stay ignored), and SIGPIPE is
// ignored. Children start with the default actions, except that they ignore SIGINT and SIGHUP: a
// terminal sends these to all, and it is the parent's to decide.
//
// The destructor stops what still runs, as StopAll() does.
class ProcessGroup {
 public:
  // ResourceExhausted: no descriptors or memory.
  static absl::StatusOr<ProcessGroup> Create();

  ProcessGroup(ProcessGroup&& other) noexcept;
  ProcessGroup& operator=(ProcessGroup&&) = delete;
  ~ProcessGroup();

  // Starts a process and returns its index: 0, 1, ... in order of the calls. Its standard output is
  // the parent's standard error, and kReportFd is a pipe to the parent. Returns before the new
  // program runs; if it cannot be started, it ends with status 127.
  // ResourceExhausted: no descriptors, memory or processes.
  absl::StatusOr<size_t> Start(const ChildSpec& spec);

  // Blocks until something happens or `deadline` is over. A signal to the parent comes before all
  // else, and a child's lines before its end.
  // Internal: the kernel refused to wait; nothing that a caller does causes it.
  absl::StatusOr<ProcessEvent> Next(absl::Time deadline);

  // Sends `signal`, if the child still runs.
  void Signal(size_t child, int signal);

  // Sends every running child its stop signal, newest first, and waits until all have ended; after
  // `patience` it sends SIGKILL. Their last lines are thrown away.
  void StopAll(absl::Duration patience = absl::Seconds(10));

  const std::string& name(size_t child) const { return children_[child].name; }
  pid_t pid(size_t child) const { return children_[child].pid; }

 private:
  struct Child {
    std::string name;
    pid_t pid = -1;
    int stop_signal = SIGKILL;
    UniqueFd pidfd;    // not valid once the child was waited for
    UniqueFd reports;  // not valid once at its end
    std::string buffer;
    bool exit_pending = false;
    int wait_status = 0;
  };

  ProcessGroup(UniqueFd signals, const sigset_t& old_mask)
      : signals_(std::move(signals)), old_mask_(old_mask) {}

  std::optional<ProcessEvent> TakeSignal();
  std::optional<ProcessEvent> TakeBuffered();
  void ReadReports(Child& child);
  void Reap(Child& child);

  UniqueFd signals_;
  sigset_t old_mask_;
  std::vector<Child> children_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_PROCESS_GROUP_H_
