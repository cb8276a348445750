// A process that kills itself at a crash point, when it is told to.

#ifndef CAUSEWAY_TESTS_FAULTS_CRASH_PROCESS_H_
#define CAUSEWAY_TESTS_FAULTS_CRASH_PROCESS_H_

#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agents/testing/child_process.h"
#include "mmapcore/crash_page.h"
#include "mmapcore/unique_fd.h"

namespace causeway::faults {

// The path of one of the programs of :crashing.
std::string CrashingProgramPath(const std::string& name);

// A program with crash points, as it tells of them itself.
class CrashProgram {
 public:
  // Runs the program at `path` to ask it. Ends this process if it has no points.
  explicit CrashProgram(std::string path);

  const std::string& path() const { return path_; }
  // Names, sorted: the index is the slot in the CrashPage.
  const std::vector<std::string>& points() const { return points_; }
  // "name file:line" of every place. More than points() if a name is used twice.
  const std::vector<std::string>& places() const { return places_; }

 private:
  const std::string path_;
  std::vector<std::string> points_;
  std::vector<std::string> places_;
};

// A run of such a program. Not thread-safe; to be used from the main thread, with which it dies.
class CrashProcess {
 public:
  // Starts it, with a fresh page in the file `page_path`. `point`, if not empty, is armed before.
  CrashProcess(const CrashProgram& program, const std::vector<std::string>& arguments,
               const std::string& page_path, const std::string& point = "", int64_t countdown = 1);
  // Kills it.
  ~CrashProcess();
  CrashProcess(const CrashProcess&) = delete;
  CrashProcess& operator=(const CrashProcess&) = delete;

  // It kills itself when it passes the point for the `countdown`-th time from now.
  void Arm(const std::string& point, int64_t countdown);
  // It no longer does. It may be doing so just now.
  void Disarm();
  // From now on it sleeps for CrashPage::kSlowNanos each time that it passes the point; empty: it
  // no longer does.
  void Slow(const std::string& point);

  // Waits for its next line, "(end)" once it is dead.
  std::string ReadLine() { return process_->ReadLine(); }
  void Signal(int signal) { process_->Signal(signal); }
  // SIGSTOP, and stopped when it returns; it must live.
  void Stop() {
    process_->Signal(SIGSTOP);
    process_->AwaitStop();
  }

  // Whether it is dead, after waiting for that for up to `timeout`.
  bool AwaitDeath(absl::Duration timeout);
  // Waits for its end, and returns the wait status.
  int Wait() { return process_->Wait(); }

  // When it killed itself, of CLOCK_MONOTONIC; 0: it did not.
  int64_t killed_at_nanos() const { return page_->killed_at_nanos.load(std::memory_order_acquire); }
  // The point that it was armed with last, if it has been disarmed since, too; empty: none.
  const std::string& last_armed() const { return last_armed_; }
  // How often it, and its children, have passed each point so far.
  std::vector<uint64_t> passings() const;

  pid_t pid() const { return pid_; }
  const CrashProgram& program() const { return program_; }

 private:
  // As the page has it: slot + 1.
  uint32_t SlotOf(const std::string& point) const;

  const CrashProgram& program_;
  CrashPage* page_;
  std::string last_armed_;
  std::unique_ptr<ChildProcess> process_;
  pid_t pid_;
  UniqueFd pidfd_;
};

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_CRASH_PROCESS_H_
