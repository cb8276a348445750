#include "tests/faults/crash_matrix.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "tests/faults/crash_cast.h"

namespace causeway::faults {
namespace {

using Kind = CrashRecord::Kind;

constexpr char kCopyWorker[] = "copy_worker";
// A point that is not passed within this time is not passed in the present situation.
constexpr absl::Duration kPassedSoon = absl::Milliseconds(700);
// Survivors that do not go on within this time are stuck.
constexpr absl::Duration kStuck = absl::Seconds(60);
constexpr size_t kMaxViolations = 20;
// A point that was passed less often is aimed at more.
constexpr uint64_t kOftenPassed = 100;

// What is to be killed where, at which of the next passings.
struct Target {
  std::string actor;
  std::optional<Part> part;  // nothing: a worker of copy
  std::string point;
  int64_t countdown = 1;

  std::string Text() const { return absl::StrCat(actor, " at ", point, " x", countdown); }
};

// Points that are passed only while a coordinator starts, or stops.
bool IsOfStart(std::string_view point) {
  return point.starts_with("coordinator.start.") || point.starts_with("coordinator.recover.");
}
bool IsOfStop(std::string_view point) { return point.starts_with("coordinator.stop."); }

// Points that a coordinator passes only when an agent has died.
bool IsOfExit(std::string_view point) { return point.starts_with("coordinator.exit."); }
// Points that an agent passes only when its coordinator was away.
bool IsOfReturn(std::string_view point) {
  return point.starts_with("agent.snapshot.") || point == "agent.attach.connection_lost";
}
// Where a coordinator has to die, for the next one to have something to do at a point of recovery.
std::string CauseOf(std::string_view point) {
  if (point == "coordinator.recover.range_freed") return "coordinator.grant_segment.backed";
  return "";
}
// Found by the next coordinator if an agent was evicted that still lives.
constexpr std::string_view kFindsEvicted = "coordinator.recover.retired_file_removed";
// Passed if a reader joins in an instant of which there is one at each roll.
constexpr char kFindsJoined[] = "writer.free.taken_back";
constexpr char kBeforeFindsJoined[] = "writer.free.oldest_stored";

class CrashMatrix {
 public:
  explicit CrashMatrix(const CrashMatrixOptions& options)
      : options_(options),
        random_(options.seed),
        cast_(options.seed * 1'000'003,
              {.on_record = [this](const CrashLog& log, const CrashRecord& record,
                                   int64_t opened) { Heard(log, record, opened); },
               .on_violation = [this](const std::string& what) { Violated(what); },
               .on_killed =
                   [this](Part part, const std::string& point, int64_t at) {
                     Killed({.actor = ActorName(part), .part = part, .point = point}, at,
                            /*in_recovery=*/true);
                   },
               .on_passings = [this](const CrashProgram& program,
                                     const std::vector<uint64_t>& passings,
                                     const char* actor) { Count(program, passings, actor); }}) {}

  CrashMatrixSummary Run();

 private:
  using Aim = std::pair<std::string, std::string>;  // actor, point

  uint64_t Random(uint64_t below) { return random_() % below; }
  bool OneIn(uint64_t of) { return Random(of) == 0; }

  void Violated(const std::string& what);
  void Count(const CrashProgram& program, const std::vector<uint64_t>& passings,
             const std::string& actor);
  void CountLiving();
  // Of the process that lives now.
  uint64_t Passings(Part part, const std::string& point);
  bool Wanted(const std::string& actor, const std::string& point) const;
  std::vector<Aim> LeastAimedAt(bool only_seldom_passed);
  std::optional<Target> Choose();
  void Cycle(const Target& target);
  void CycleOfCopy(const Target& target);
  // Kills `target`'s process at its point, or finds that it does not get there. True: it is dead.
  bool Kill(const Target& target);
  bool AwaitKill(const Target& target, bool in_recovery);
  bool KillAtStart(const Target& target);
  bool KillAtStop(const Target& target);
  bool KillAtReturn(const Target& target);
  bool KillAtExit(const Target& target);
  // The coordinator is dead when it returns.
  void KillCoordinatorFor(const Target& target);
  void Killed(const Target& target, int64_t at_nanos, bool in_recovery);
  // Starts the killed one again; now and then to be killed again on its way, up to `deep` times.
  void Recover(const Target& target, int deep);
  void AwaitFlow(const Target& target);
  void Heard(const CrashLog& log, const CrashRecord& record, int64_t lane_opened);
  // Keeps what a process has open.
  void Follow(Part part, const CrashRecord& record);
  // What happens from now on has nothing to do with a kill.
  void ForgetKill() { killed_at_ = 0; }
  void Took(const std::string& what, Part who, int64_t nanos);

  const CrashMatrixOptions& options_;
  std::mt19937_64 random_;
  CrashMatrixSummary summary_;
  std::string now_;  // what is being tried
  // Of the last kill.
  int64_t killed_at_ = 0;
  std::string killed_actor_;
  uint64_t killed_id_ = 0;  // its lane or reader, if it had one open
  // Of each process that lives: the lane or reader that it has open, and since when it is attached.
  struct Open {
    uint64_t id = 0;
    int64_t attached_nanos = 0;   // the first time
    int64_t connected_nanos = 0;  // the last time
  };
  std::map<Part, Open> open_;
  std::set<std::pair<std::string, Part>> took_;
  int64_t flowed_at_ = 0;  // a frame of a lane that was opened after the kill was read
  // What each actor passes, and how often it was aimed at there.
  std::map<Aim, uint64_t> aims_;
  CrashCast cast_;
};

void CrashMatrix::Violated(const std::string& what) {
  if (summary_.violations.size() >= kMaxViolations) return;
  summary_.violations.push_back(
      absl::StrFormat("seed %d, cycle %d, %s: %s", options_.seed, summary_.cycles, now_, what));
  if (options_.on_violation) options_.on_violation(summary_.violations.back());
}

void CrashMatrix::Count(const CrashProgram& program, const std::vector<uint64_t>& passings,
                        const std::string& actor) {
  for (size_t slot = 0; slot < passings.size(); ++slot) {
    if (passings[slot] == 0) continue;
    const std::string& point = program.points()[slot];
    summary_.points[point].passings += passings[slot];
    aims_.try_emplace({actor, point}, 0);
  }
}

void CrashMatrix::CountLiving() {
  for (const Part part : kAllParts) {
    const std::vector<uint64_t> passings = cast_.process(part).passings();
    for (size_t slot = 0; slot < passings.size(); ++slot) {
      if (passings[slot] == 0) continue;
      aims_.try_emplace({ActorName(part), cast_.program(part).points()[slot]}, 0);
    }
  }
  for (const std::string& point : cast_.causeway().points()) {
    if (absl::StartsWith(point, kCopyWorker)) aims_.try_emplace({kCopyWorker, point}, 0);
    if (IsOfStart(point) || IsOfStop(point)) aims_.try_emplace({"coordinator", point}, 0);
  }
  aims_.try_emplace({"writer", kFindsJoined}, 0);
}

bool CrashMatrix::Wanted(const std::string& actor, const std::string& point) const {
  return (options_.actor.empty() || actor == options_.actor) &&
         absl::StartsWith(point, options_.point) &&
         // The processes around `copy` are no workers, and the matrix starts them, not `copy`.
         (absl::StartsWith(point, kCopyWorker) == (actor == kCopyWorker));
}

std::vector<CrashMatrix::Aim> CrashMatrix::LeastAimedAt(bool only_seldom_passed) {
  uint64_t fewest = ~uint64_t{0};
  std::vector<Aim> least;
  for (const auto& [aim, count] : aims_) {
    if (!Wanted(aim.first, aim.second) || count > fewest) continue;
    if (only_seldom_passed && summary_.points[aim.second].passings >= kOftenPassed) continue;
    if (count < fewest) least.clear();
    fewest = count;
    least.push_back(aim);
  }
  return least;
}

std::optional<Target> CrashMatrix::Choose() {
  CountLiving();
  // What nobody passes unless aimed at, as the end of an orderly stop, is to be aimed at more.
  std::vector<Aim> best = LeastAimedAt(/*only_seldom_passed=*/OneIn(8));
  if (best.empty()) best = LeastAimedAt(/*only_seldom_passed=*/false);
  if (best.empty()) return std::nullopt;
  const auto& [actor, point] = best[Random(best.size())];
  ++aims_[{actor, point}];
  Target target = {.actor = actor, .point = point};
  if (actor == "coordinator") target.part = Part::kCoordinator;
  if (actor == "writer") target.part = Part::kWriter;
  // Both sorts of readers pass nearly the same points.
  if (actor == "reader") target.part = OneIn(2) ? Part::kReader : Part::kDropReader;
  // Often soon, now and then late, when more has gone before; but not what comes once in a while.
  const bool rare = target.part.has_value() && Passings(*target.part, point) < 200;
  target.countdown = static_cast<int64_t>(1 + Random(rare ? 2 : OneIn(4) ? 100 : 4));
  return target;
}

uint64_t CrashMatrix::Passings(Part part, const std::string& point) {
  const std::vector<std::string>& points = cast_.program(part).points();
  const auto found = std::lower_bound(points.begin(), points.end(), point);
  return cast_.process(part).passings()[static_cast<size_t>(found - points.begin())];
}

CrashMatrixSummary CrashMatrix::Run() {
  now_ = "at the beginning";
  cast_.StartAll();
  AwaitFlow({});
  bool last = options_.cycles == 0;
  while (!last && summary_.violations.size() < kMaxViolations) {
    const std::optional<Target> target = Choose();
    if (!target.has_value()) {
      Violated(absl::StrCat("no ", options_.actor, " passes a point ", options_.point));
      break;
    }
    ++summary_.cycles;
    now_ = target->Text();
    if (target->part.has_value()) {
      Cycle(*target);
    } else {
      CycleOfCopy(*target);
    }
    last = summary_.cycles == options_.cycles || (options_.stops && options_.stops());
    if (summary_.cycles % options_.cycles_per_rest == 0 || last) {
      ++summary_.rests;
      now_ = absl::StrCat("at rest after ", now_);
      ForgetKill();
      cast_.Rest();
    }
    if (options_.on_cycle) options_.on_cycle(summary_.cycles, now_);
  }
  for (const Part part : kAllParts) {
    Count(cast_.program(part), cast_.process(part).passings(), ActorName(part));
  }
  for (const auto* program : {&cast_.causeway(), &cast_.program(Part::kWriter)}) {
    for (const std::string& point : program->points()) summary_.points[point];
  }
  summary_.lanes = cast_.histories().lanes();
  summary_.frames = cast_.histories().frames();
  summary_.gaps = cast_.histories().gaps();
  summary_.books = cast_.books();
  return std::move(summary_);
}

void CrashMatrix::CycleOfCopy(const Target& target) {
  const CrashCast::Copied copied = cast_.Copy(target.point, target.countdown % 8 + 1);
  if (copied.killed) {
    Killed(target, 0, /*in_recovery=*/false);
  } else {
    ++summary_.points[target.point].misses;
  }
  for (size_t slot = 0; slot < copied.passings.size(); ++slot) {
    summary_.points[cast_.causeway().points()[slot]].passings += copied.passings[slot];
  }
}

void CrashMatrix::Cycle(const Target& target) {
  const std::string& point = target.point;
  const bool killed = IsOfStart(point)    ? KillAtStart(target)
                      : IsOfStop(point)   ? KillAtStop(target)
                      : IsOfExit(point)   ? KillAtExit(target)
                      : IsOfReturn(point) ? KillAtReturn(target)
                                          : Kill(target);
  if (!killed) {
    ++summary_.points[target.point].misses;
  } else if (target.part == Part::kCoordinator && OneIn(3)) {
    // One of those who are about to attach again does not live to see it.
    const Part agent = OneIn(2) ? Part::kWriter : Part::kReader;
    const char* const points[] = {"agent.attach.connected", "agent.attach.hello_sent",
                                  "agent.attach.welcome_received", "agent.snapshot.complete",
                                  "agent.snapshot.obeyed"};
    cast_.process(agent).Arm(points[Random(std::size(points))], 1);
    Recover(target, 2);
    AwaitFlow(target);
    cast_.process(agent).Disarm();
  } else {
    Recover(target, 2);
  }
  AwaitFlow(target);
}

bool CrashMatrix::Kill(const Target& target) {
  CrashProcess& victim = cast_.process(*target.part);
  const bool slow = target.point == kFindsJoined;
  if (slow) victim.Slow(kBeforeFindsJoined);
  victim.Arm(target.point, target.countdown);
  const bool killed = AwaitKill(target, /*in_recovery=*/false);
  if (slow && !killed) cast_.process(*target.part).Slow("");
  return killed;
}

bool CrashMatrix::AwaitKill(const Target& target, bool in_recovery) {
  CrashProcess& victim = cast_.process(*target.part);
  const auto dead = [&] { return victim.AwaitDeath(absl::ZeroDuration()); };
  // What is not passed soon may be rare: then it is waited for for longer the next time.
  const auto turns = 1 + std::min<uint64_t>(summary_.points[target.point].misses, 5);
  if (!cast_.ListenUntil(dead, static_cast<int64_t>(turns) * kPassedSoon, target.part)) {
    victim.Disarm();
    // It may have been passing.
    if (!cast_.ListenUntil(dead, absl::Milliseconds(1), target.part)) return false;
  }
  const int64_t at = victim.killed_at_nanos();
  cast_.Bury(*target.part, /*expected=*/at != 0);
  if (at != 0) Killed(target, at, in_recovery);
  if (at == 0) cast_.Start(*target.part);
  return at != 0;
}

void CrashMatrix::KillCoordinatorFor(const Target& target) {
  CrashProcess& running = cast_.process(Part::kCoordinator);
  if (const std::string cause = CauseOf(target.point); !cause.empty()) {
    running.Arm(cause, 1);
    const auto dead = [&] { return running.AwaitDeath(absl::ZeroDuration()); };
    cast_.ListenUntil(dead, kPassedSoon, Part::kCoordinator);
  }
  ForgetKill();
  running.Signal(SIGKILL);
  cast_.Bury(Part::kCoordinator, /*expected=*/true);
}

bool CrashMatrix::KillAtReturn(const Target& target) {
  CrashProcess& victim = cast_.process(*target.part);
  victim.Arm(target.point, 1);
  KillCoordinatorFor(target);
  cast_.Start(Part::kCoordinator);
  return AwaitKill(target, /*in_recovery=*/true);
}

bool CrashMatrix::KillAtExit(const Target& target) {
  cast_.process(Part::kCoordinator).Arm(target.point, 1);
  cast_.process(Part::kWriter).Signal(SIGKILL);
  cast_.Bury(Part::kWriter, /*expected=*/true);
  const bool killed = AwaitKill(target, /*in_recovery=*/true);
  cast_.Start(Part::kWriter);
  return killed;
}

bool CrashMatrix::KillAtStart(const Target& target) {
  if (target.point == kFindsEvicted) {
    const auto evicted = [this] {
      return open_[Part::kDropReader].id != 0 && cast_.StopAndEvict(Part::kDropReader);
    };
    if (!cast_.ListenUntil(evicted, kStuck)) Violated("no reader can be evicted");
  }
  KillCoordinatorFor(target);
  // So that there is somebody dead to be found.
  for (const Part part : {Part::kWriter, Part::kReader}) {
    cast_.process(part).Signal(SIGKILL);
    cast_.Bury(part, /*expected=*/true);
  }
  cast_.Start(Part::kCoordinator, target.point, 1);
  const bool killed = AwaitKill(target, /*in_recovery=*/true);
  if (target.point == kFindsEvicted) {
    cast_.process(Part::kDropReader).Signal(SIGKILL);
    cast_.Bury(Part::kDropReader, /*expected=*/true);
    cast_.Start(Part::kDropReader);
  }
  cast_.Start(Part::kWriter);
  cast_.Start(Part::kReader);
  return killed;
}

bool CrashMatrix::KillAtStop(const Target& target) {
  CrashProcess& running = cast_.process(Part::kCoordinator);
  running.Arm(target.point, 1);
  ForgetKill();
  running.Signal(SIGTERM);
  const auto dead = [&] { return running.AwaitDeath(absl::ZeroDuration()); };
  if (!cast_.ListenUntil(dead, kStuck, Part::kCoordinator)) {
    Violated("a coordinator that was to stop goes on");
    running.Signal(SIGKILL);
  }
  const int64_t at = running.killed_at_nanos();
  cast_.Bury(Part::kCoordinator, /*expected=*/true);
  if (at != 0) Killed(target, at, /*in_recovery=*/false);
  if (at == 0) cast_.Start(Part::kCoordinator);
  return at != 0;
}

void CrashMatrix::Killed(const Target& target, int64_t at_nanos, bool in_recovery) {
  ++summary_.kills;
  if (in_recovery) ++summary_.kills_in_recovery;
  ++summary_.points[target.point].kills[target.actor];
  killed_at_ = at_nanos;
  killed_actor_ = target.actor;
  killed_id_ = target.part.has_value() ? std::exchange(open_[*target.part], {}).id : 0;
  flowed_at_ = 0;
  took_.clear();
}

void CrashMatrix::Recover(const Target& target, int deep) {
  const Part part = *target.part;
  while (deep-- > 0 && OneIn(3)) {
    // Where the replacement is soon.
    std::vector<std::string> points;
    for (const auto& [aim, count] : aims_) {
      const auto& [actor, point] = aim;
      if (actor != target.actor || IsOfStop(point)) continue;
      if (part != Part::kCoordinator && !absl::StartsWith(point, "agent.")) continue;
      points.push_back(point);
    }
    if (points.empty()) break;
    Target again = target;
    again.point = points[Random(points.size())];
    again.countdown = 1;
    now_ = absl::StrCat(now_, ", then ", again.point);
    cast_.Start(part, again.point, again.countdown);
    if (!AwaitKill(again, /*in_recovery=*/true)) return;
  }
  if (!cast_.Start(part)) Violated("the coordinator does not come back");
}

void CrashMatrix::AwaitFlow(const Target& target) {
  // The witness reads of a lane that was opened after the last kill.
  const auto flows = [this] { return flowed_at_ != 0; };
  if (!cast_.ListenUntil(flows, kStuck)) Violated("nothing flows any more");
  if (target.part != Part::kReader && target.part != Part::kDropReader) return;
  // And so does who took the dead reader's place.
  const CrashLog* const log = cast_.log(*target.part);
  const auto reads = [&] { return log != cast_.log(*target.part) || log->written() > 2; };
  if (!cast_.ListenUntil(reads, kStuck)) Violated("the new reader reads nothing");
}

void CrashMatrix::Follow(Part part, const CrashRecord& record) {
  switch (record.kind) {
    case Kind::kAttached:
      open_[part].attached_nanos = record.nanos;
      open_[part].connected_nanos = record.nanos;
      return;
    case Kind::kReattached:
      open_[part].connected_nanos = record.nanos;
      return;
    case Kind::kDetaching:
      open_[part] = {};
      return;
    case Kind::kWriterOpened:
      open_[part].id = record.frame.lane_id;
      return;
    case Kind::kReaderOpened:
      open_[part].id = record.reader_id;
      return;
    case Kind::kWriterClosing:
    case Kind::kReaderClosing:
      open_[part].id = 0;
      return;
    default:
      return;
  }
}

void CrashMatrix::Heard(const CrashLog& log, const CrashRecord& record, int64_t lane_opened) {
  const Part part = *std::find_if(std::begin(kAllParts), std::end(kAllParts),
                                  [&](Part other) { return &log == cast_.log(other); });
  Follow(part, record);
  if (part == Part::kWitness && record.kind == Kind::kFrame && lane_opened > killed_at_ &&
      flowed_at_ == 0) {
    flowed_at_ = record.nanos;
    Took(absl::StrCat(killed_actor_, " killed: a frame of a new lane is read"), part, record.nanos);
  }
  if (killed_at_ == 0 || record.nanos < killed_at_) return;
  if (killed_actor_ == "writer" && killed_id_ != 0 && record.kind == Kind::kLaneEnded &&
      record.frame.lane_id == killed_id_) {
    Took("writer killed: a reader knows", part, record.nanos);
  }
  if (killed_actor_ == "reader" && killed_id_ != 0 && record.kind == Kind::kReaderLeft &&
      record.reader_id == killed_id_) {
    Took("reader killed: a writer knows", part, record.nanos);
  }
  // An agent that attaches for the first time has lost nothing.
  const int64_t attached = open_[part].attached_nanos;
  if (killed_actor_ != "coordinator" || attached == 0 || attached >= killed_at_) return;
  // One that knew it of the coordinator before is told of the next one's death, not of this.
  if (record.kind == Kind::kConnectionLost && open_[part].connected_nanos < killed_at_) {
    Took("coordinator killed: an agent knows", part, record.nanos);
  }
  if (record.kind == Kind::kReattached) {
    Took("coordinator killed: an agent is attached again", part, record.nanos);
  }
  if (record.kind == Kind::kFrame) {
    Took("coordinator killed: a reader reads its next frame", part, record.nanos);
  }
}

void CrashMatrix::Took(const std::string& what, Part who, int64_t nanos) {
  if (killed_at_ == 0 || !took_.insert({what, who}).second) return;
  summary_.recoveries.try_emplace(what).first->second.Record(nanos - killed_at_);
}

std::string KillsText(const CrashCoverage& coverage) {
  std::string text;
  for (const auto& [actor, kills] : coverage.kills) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", actor, " ", kills);
  }
  return text;
}

}  // namespace

CrashMatrixSummary RunCrashMatrix(const CrashMatrixOptions& options) {
  return CrashMatrix(options).Run();
}

std::string ToText(const CrashMatrixSummary& summary) {
  std::string text = absl::StrFormat("%-46s %12s %7s %7s  %s\n", "POINT", "PASSINGS", "KILLS",
                                     "MISSES", "KILLED THERE");
  size_t killed = 0;
  uint64_t fewest_kills = ~uint64_t{0};
  uint64_t fewest_passings = ~uint64_t{0};
  for (const auto& [point, coverage] : summary.points) {
    uint64_t kills = 0;
    for (const auto& [actor, count] : coverage.kills) kills += count;
    if (kills > 0) ++killed;
    fewest_kills = std::min(fewest_kills, kills);
    fewest_passings = std::min(fewest_passings, coverage.passings);
    absl::StrAppendFormat(&text, "%-46s %12d %7d %7d  %s\n", point, coverage.passings, kills,
                          coverage.misses, KillsText(coverage));
  }
  absl::StrAppendFormat(&text, "\n%-56s %6s %9s %9s %9s\n", "FROM A KILL UNTIL", "COUNT", "P50 MS",
                        "P99 MS", "MAX MS");
  for (const auto& [what, recorder] : summary.recoveries) {
    const LatencySummary took = recorder.Summarize();
    absl::StrAppendFormat(&text, "%-56s %6d %9.2f %9.2f %9.2f\n", what, took.count,
                          static_cast<double>(took.p50_ns) / 1e6,
                          static_cast<double>(took.p99_ns) / 1e6,
                          static_cast<double>(took.max_ns) / 1e6);
  }
  absl::StrAppendFormat(
      &text,
      "\n%d cycles, %d kills (%d of them during recovery from another) at %d of %d points, each "
      "killed at %d times\nand passed %d times, or more; %d lanes, %d frames and %d gaps judged; "
      "%d looks for what was left, the last:\n"
      "%s\n%d violations\n",
      summary.cycles, summary.kills, summary.kills_in_recovery, killed, summary.points.size(),
      fewest_kills, fewest_passings, summary.lanes, summary.frames, summary.gaps, summary.rests,
      summary.books, summary.violations.size());
  for (const std::string& violation : summary.violations) absl::StrAppend(&text, violation, "\n");
  return text;
}

std::vector<std::string> ListCrashPoints() {
  std::set<std::string> places;
  for (const char* name : {"causeway", "crash_actor"}) {
    const CrashProgram program(CrashingProgramPath(name));
    places.insert(program.places().begin(), program.places().end());
  }
  return {places.begin(), places.end()};
}

}  // namespace causeway::faults
