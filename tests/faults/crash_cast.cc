#include "tests/faults/crash_cast.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/cli/admin_client.h"

namespace causeway::faults {
namespace {

constexpr char kStream[] = "crash";
// Longer than anything takes that is not stuck.
constexpr absl::Duration kStuck = absl::Seconds(60);
// Between two looks at the logs.
constexpr absl::Duration kTurn = absl::Milliseconds(1);
constexpr size_t kCopyBytes = 1 << 20;

std::string MakeFolder(std::string pattern) {
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror(pattern.c_str());
    std::exit(1);
  }
  return pattern;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool IsReader(Part part) {
  return part == Part::kReader || part == Part::kDropReader || part == Part::kWitness;
}

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status)) return absl::StrCat("signal ", WTERMSIG(status));
  return absl::StrCat("status ", WEXITSTATUS(status));
}

}  // namespace

const char* ActorName(Part part) {
  switch (part) {
    case Part::kCoordinator:
      return "coordinator";
    case Part::kWriter:
    case Part::kOtherWriter:
      return "writer";
    case Part::kReader:
    case Part::kDropReader:
    case Part::kWitness:
      return "reader";
  }
  return "?";
}

CrashCast::CrashCast(uint64_t seed, Callbacks callbacks)
    : causeway_(CrashingProgramPath("causeway")),
      actor_(CrashingProgramPath("crash_actor")),
      callbacks_(std::move(callbacks)),
      histories_(kStuck, callbacks_.on_record),
      seed_(seed),
      parent_(MakeFolder("/tmp/causeway-crash-XXXXXX")),
      volatile_dir_(MakeFolder("/dev/shm/causeway-crash-XXXXXX")) {
  std::ofstream source(parent_ + "/source", std::ios::binary);
  for (size_t i = 0; i < kCopyBytes; ++i) source.put(static_cast<char>(i * 31 + i / 4096));
}

CrashCast::~CrashCast() {
  for (Run& run : runs_) run.process.reset();
  std::error_code ignored;
  std::filesystem::remove_all(parent_, ignored);
  std::filesystem::remove_all(volatile_dir_, ignored);
}

std::vector<std::string> CrashCast::Arguments(Part part, const std::string& log_path) {
  const std::string dir = parent_ + "/dir";
  if (part == Part::kCoordinator) {
    return {"coordinator", absl::StrCat("--dir=", dir),
            absl::StrCat("--volatile_dir=", volatile_dir_, "/dir"), "--log_level=error",
            absl::StrCat("--ready_fd=", ChildProcess::kReportFd)};
  }
  std::vector<std::string> arguments = {IsReader(part) ? "reader" : "writer", dir, kStream,
                                        log_path, absl::StrCat(++seed_)};
  if (IsReader(part)) {
    arguments.push_back(part == Part::kDropReader ? "drop" : "block");
    arguments.push_back(part == Part::kWitness ? "1" : "0");
  }
  return arguments;
}

bool CrashCast::Start(Part part, const std::string& armed, int64_t countdown) {
  Run& run = runs_[Index(part)];
  if (run.process != nullptr) return true;
  const std::string name = absl::StrCat(volatile_dir_, "/", Index(part));
  if (part != Part::kCoordinator) {
    const std::string log_path = name + ".log";
    unlink(log_path.c_str());
    close(open(log_path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    run.log = std::make_unique<CrashLog>(log_path);
    if (IsReader(part)) {
      histories_.AddReader(absl::StrCat(part == Part::kDropReader ? "drop reader" : "block reader"),
                           part == Part::kDropReader ? ReaderPolicy::kDrop : ReaderPolicy::kBlock,
                           run.log.get(), part == Part::kWitness);
    } else {
      histories_.AddWriter(run.log.get());
    }
  }
  run.process = std::make_unique<CrashProcess>(program(part), Arguments(part, name + ".log"),
                                               name + ".page", armed, countdown);
  return part != Part::kCoordinator || run.process->ReadLine() != "(end)";
}

void CrashCast::StartAll() {
  for (const Part part : kAllParts) {
    // The witness is there before anything is written that it could miss.
    Start(part);
    if (part == Part::kCoordinator) {
      Start(Part::kWitness);
      process(Part::kWitness).ReadLine();
    }
  }
}

void CrashCast::Bury(Part part, bool expected) {
  Run& run = runs_[Index(part)];
  const int status = run.process->Wait();
  if (!expected) {
    callbacks_.on_violation(
        absl::StrCat("a ", ActorName(part), " ended by itself: ", DescribeEnd(status)));
  }
  callbacks_.on_passings(run.process->program(), run.process->passings(), ActorName(part));
  if (run.log != nullptr) histories_.Died(run.log.get());
  run.process.reset();
  run.log.reset();
}

void CrashCast::Listen() {
  histories_.Take();
  for (const std::string& violation : histories_.TakeViolations()) {
    callbacks_.on_violation(violation);
  }
}

bool CrashCast::ListenUntil(const std::function<bool()>& condition, absl::Duration timeout,
                            std::optional<Part> victim) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    Listen();
    if (condition()) return true;
    if (absl::Now() >= deadline) return false;
    for (const Part part : kAllParts) {
      Run& run = runs_[Index(part)];
      if (part == victim || run.process == nullptr) continue;
      if (!run.process->AwaitDeath(absl::ZeroDuration())) continue;
      const std::string point = run.process->last_armed();
      const int64_t at = run.process->killed_at_nanos();
      Bury(part, /*expected=*/at != 0);
      if (at != 0) callbacks_.on_killed(part, point, at);
      Start(part);
    }
    // The records come when they come; nothing wakes us for them.
    if (!victim.has_value() || runs_[Index(*victim)].process == nullptr) {
      absl::SleepFor(kTurn);
    } else {
      runs_[Index(*victim)].process->AwaitDeath(kTurn);
    }
  }
}

bool CrashCast::StopAndEvict(Part part) {
  process(part).Stop();
  const absl::StatusOr<AdminClient> admin = AdminClient::Connect(parent_ + "/dir");
  if (admin.ok()) {
    const absl::StatusOr<std::vector<v1::Agent>> agents = admin->ListAgents(0);
    if (!agents.ok())
      callbacks_.on_violation(absl::StrCat("no list: ", agents.status().ToString()));
    for (const v1::Agent& agent : agents.ok() ? *agents : std::vector<v1::Agent>()) {
      if (agent.pid() != process(part).pid() || agent.readers() == 0) continue;
      if (admin->EvictAgent(agent.session_id(), "to be found so").ok()) return true;
    }
  }
  process(part).Signal(SIGCONT);
  return false;
}

void CrashCast::EndAgents(const std::vector<Part>& parts) {
  for (const Part part : parts) process(part).Signal(SIGTERM);
  for (const Part part : parts) {
    CrashProcess& ending = process(part);
    // The others die when they should, and must be listened to until then: their logs fill up.
    const absl::Time deadline = absl::Now() + kStuck;
    while (!ending.AwaitDeath(kTurn) && absl::Now() < deadline) Listen();
    if (!ending.AwaitDeath(absl::ZeroDuration())) {
      callbacks_.on_violation(absl::StrCat("a ", ActorName(part), " that was to stop goes on"));
      ending.Signal(SIGKILL);
    }
    const int status = ending.Wait();
    // One that has only just been started does not know yet how to stop otherwise; one that was
    // passing its crash point when it was disarmed has died there.
    const bool killed = ending.killed_at_nanos() != 0;
    if (status != 0 && !killed && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)) {
      callbacks_.on_violation(
          absl::StrCat("a ", ActorName(part), " that was to stop: ", DescribeEnd(status)));
    }
    Bury(part, /*expected=*/true);
  }
}

void CrashCast::Rest() {
  EndAgents({Part::kWriter, Part::kOtherWriter});
  const auto settled = [this] { return histories_.Settled(); };
  // What is not read by then was found to be a violation.
  ListenUntil(settled, 2 * kStuck);
  EndAgents({Part::kReader, Part::kDropReader, Part::kWitness});
  Listen();

  absl::StatusOr<CrashBooks> books;
  const auto nothing_left = [&] {
    books = ReadCrashBooks(parent_ + "/dir", volatile_dir_ + "/dir", kStream,
                           process(Part::kCoordinator).pid());
    if (!books.ok()) return false;
    if (!baseline_.has_value()) {
      return books->agents == 0 && books->files == 0 && books->lanes == 0 &&
             books->files_in_memory == 0 && books->files_on_disk == 0;
    }
    return NothingLeft(*books, *baseline_);
  };
  const bool empty = ListenUntil(nothing_left, absl::Seconds(20));
  last_books_ = books.ok() ? ToText(*books) : books.status().ToString();
  if (!empty) {
    callbacks_.on_violation(absl::StrCat("left behind: ", last_books_, "; at first: ",
                                         baseline_.has_value() ? ToText(*baseline_) : "nothing"));
  }
  if (books.ok() && !baseline_.has_value()) baseline_ = *books;
  StartAll();
}

CrashCast::Copied CrashCast::Copy(const std::string& point, int64_t countdown) {
  const std::string target = parent_ + "/target";
  unlink(target.c_str());
  CrashProcess copy(causeway_,
                    {"copy", parent_ + "/source", target, "--workers=2", "--extent_bytes=64KiB",
                     absl::StrCat("--dir=", parent_, "/dir")},
                    volatile_dir_ + "/copy.page", point, countdown);
  const absl::Time deadline = absl::Now() + kStuck;
  while (!copy.AwaitDeath(kTurn) && absl::Now() < deadline) Listen();
  Copied copied = {.killed = copy.killed_at_nanos() != 0, .passings = copy.passings()};
  if (!copy.AwaitDeath(absl::ZeroDuration())) {
    callbacks_.on_violation("copy is stuck");
    return copied;
  }
  const int status = copy.Wait();
  if (status != 0) {
    callbacks_.on_violation(absl::StrCat("copy failed: ", DescribeEnd(status)));
  } else if (ReadFile(parent_ + "/source") != ReadFile(target)) {
    callbacks_.on_violation("the copy differs from its source");
  }
  return copied;
}

}  // namespace causeway::faults
