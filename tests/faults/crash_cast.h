// The processes of the crash matrix: a coordinator, writers and readers of one stream, all at work.

#ifndef CAUSEWAY_TESTS_FAULTS_CRASH_CAST_H_
#define CAUSEWAY_TESTS_FAULTS_CRASH_CAST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/faults/crash_books.h"
#include "tests/faults/crash_histories.h"
#include "tests/faults/crash_log.h"
#include "tests/faults/crash_process.h"

namespace causeway::faults {

// Those who are killed, and those who look on and stay.
enum class Part : size_t {
  kCoordinator,
  kWriter,
  kReader,      // policy block
  kDropReader,  // policy drop
  kOtherWriter,
  kWitness,  // policy block; one reader for as long as it lives, whose word counts
};
inline constexpr size_t kParts = 6;
inline constexpr std::array<Part, kParts> kAllParts = {Part::kCoordinator, Part::kWriter,
                                                       Part::kReader,      Part::kDropReader,
                                                       Part::kOtherWriter, Part::kWitness};

// "coordinator", "writer", "reader": as they are called in the tables.
const char* ActorName(Part part);

// Starts processes, sees them die, and listens to what they say. Not thread-safe; main thread only.
class CrashCast {
 public:
  struct Callbacks {
    CrashHistories::OnRecord on_record;
    // Something that must not be.
    std::function<void(const std::string& what)> on_violation;
    // A process killed itself while something else was waited for; it is started anew.
    std::function<void(Part part, const std::string& point, int64_t at_nanos)> on_killed;
    // How often a process that has ended has passed its points.
    std::function<void(const CrashProgram& program, const std::vector<uint64_t>& passings,
                       const char* actor)>
        on_passings;
  };

  CrashCast(uint64_t seed, Callbacks callbacks);
  // Kills them all, and removes their folders.
  ~CrashCast();

  // Starts who does not run. `armed`: this one with this point armed; true if it lives, or is not
  // the coordinator: that one is waited for until it serves.
  bool Start(Part part, const std::string& armed = "", int64_t countdown = 1);
  void StartAll();

  CrashProcess& process(Part part) { return *runs_[Index(part)].process; }
  const CrashLog* log(Part part) const { return runs_[Index(part)].log.get(); }

  // Its end has come, or is about to. Waits for it, and hears its last words. `expected`: it was
  // killed on purpose; else how it ended is a violation.
  void Bury(Part part, bool expected);

  // Listens until `condition` holds, for up to `timeout`. False: it does not. Who dies meanwhile,
  // except `victim`, is started anew; to die without having been armed is a violation.
  bool ListenUntil(const std::function<bool()>& condition, absl::Duration timeout,
                   std::optional<Part> victim = std::nullopt);

  // Stops the process and has the coordinator evict it, if it has a reader open: it holds what it
  // has mapped, and knows nothing. False: it goes on.
  bool StopAndEvict(Part part);

  // Has all agents end in good order, waits until everything was read and what they held is given
  // back, and compares the books with those of the first time. Starts them all again.
  void Rest();
  const std::string& books() const { return last_books_; }

  // Runs `causeway copy`, a worker of it armed, and compares the files. What its page says after.
  struct Copied {
    bool killed = false;
    std::vector<uint64_t> passings;
  };
  Copied Copy(const std::string& point, int64_t countdown);

  CrashHistories& histories() { return histories_; }
  const CrashProgram& program(Part part) const {
    return part == Part::kCoordinator ? causeway_ : actor_;
  }
  const CrashProgram& causeway() const { return causeway_; }

 private:
  struct Run {
    std::unique_ptr<CrashProcess> process;
    std::unique_ptr<CrashLog> log;  // not of the coordinator
  };

  static size_t Index(Part part) { return static_cast<size_t>(part); }
  std::vector<std::string> Arguments(Part part, const std::string& log_path);
  void Listen();
  void EndAgents(const std::vector<Part>& parts);

  const CrashProgram causeway_;
  const CrashProgram actor_;
  const Callbacks callbacks_;
  CrashHistories histories_;
  uint64_t seed_;
  std::string parent_;        // below /tmp
  std::string volatile_dir_;  // below /dev/shm; holds pages and logs, too
  std::array<Run, kParts> runs_;
  std::optional<CrashBooks> baseline_;
  std::string last_books_;
};

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_CRASH_CAST_H_
