#include "tests/faults/refused_calls.h"

#include <signal.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <sstream>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/faults/crash_books.h"
#include "tests/faults/refusable_calls.h"
#include "tests/faults/refused_processes.h"

namespace causeway::faults {
namespace {

constexpr size_t kMaxViolations = 20;
// What has not gone by then stays.
constexpr absl::Duration kLong = absl::Seconds(20);
// Of coordinators that end because the disk gave wrong answers.
constexpr char kStateFailed[] = "state cannot be stored";
constexpr char kStopGivenUp[] = "stopped without waiting any longer";
constexpr char kCannotServe[] = "cannot serve";

const char* NameOf(RefusedSide side) {
  switch (side) {
    case RefusedSide::kAgent:
      return "agent";
    case RefusedSide::kCoordinator:
      return "coordinator";
    case RefusedSide::kStart:
      return "start";
  }
  return "";
}

struct Refusal {
  const RefusableCall* call = nullptr;
  int nth = 1;
  int error = 0;
  bool for_ever = false;

  std::string Line() const {
    return absl::StrCat("refuse ", call->name, " ", nth, " ", error, for_ever ? " ever" : " once");
  }
  std::string Text() const {
    return absl::StrCat(call->name, " call ", nth, for_ever ? " and later: " : ": ",
                        strerror(error));
  }
};

// "OK", "UNAVAILABLE"...
std::string CodeOf(const std::string& answer) {
  return answer == "ok" ? "OK" : answer.substr(0, answer.find(':'));
}

bool IsClear(const std::string& answer) {
  if (answer == "ok") return true;
  const size_t colon = answer.find(": ");
  return colon != std::string::npos && colon + 2 < answer.size() &&
         !absl::StartsWith(answer, "UNKNOWN") && !absl::StartsWith(answer, "INTERNAL");
}

class RefusedCalls {
 public:
  explicit RefusedCalls(const RefusedCallsOptions& options) : options_(options) {}

  RefusedCallsSummary Run() {
    if (!Begin()) return summary_;
    for (uint64_t i = 0; i < options_.trials && summary_.violations.size() < kMaxViolations; ++i) {
      ++summary_.trials;
      random_.seed(options_.seed + i);
      const RefusedSide side = Side();
      const std::optional<Refusal> refusal = Choose(side);
      if (!refusal.has_value()) continue;
      trial_ = absl::StrFormat("--seed=%d --trials=1%s%s: %s, %s", options_.seed + i,
                               options_.side.empty() ? "" : " --side=" + options_.side,
                               options_.call.empty() ? "" : " --call=" + options_.call,
                               NameOf(side), refusal->Text());
      ++summary_.refused[absl::StrCat(NameOf(side), " ", refusal->call->name)];
      const size_t before = summary_.violations.size();
      const std::string answer = Try(side, *refusal);
      ++summary_.answers[absl::StrCat(NameOf(side), " ", CodeOf(answer))];
      options_.on_trial(summary_.trials, absl::StrCat(trial_, ": ", answer));
      // What is wrong once is not to be held against the next trial.
      if (summary_.violations.size() != before && !Begin()) return summary_;
    }
    return summary_;
  }

 private:
  void Violated(const std::string& what) {
    summary_.violations.push_back(absl::StrCat(trial_, ": ", what));
    options_.on_trial(summary_.trials, "VIOLATION " + summary_.violations.back());
  }

  // A coordinator of its own, the numbers of calls that a job makes, and what is there at rest.
  bool Begin() {
    trial_ = "nothing refused";
    coordinator_ = std::make_unique<RefusedCoordinator>();
    if (!coordinator_->Start("allow")) {
      Violated("the coordinator does not start: " + coordinator_->Log());
      return false;
    }
    calls_[RefusedSide::kStart] = Counts(coordinator_->Ask("count"));
    // The first job makes what stays.
    for (int i = 0; i < 2; ++i) {
      coordinator_->Ask("allow");
      RefusedAgent agent(coordinator_->dir());
      agent.Ask("allow");
      if (const std::string answer = agent.Ask("job"); answer != "ok") {
        Violated(absl::StrCat("the job fails: ", answer, "\n", coordinator_->Log()));
        return false;
      }
      calls_[RefusedSide::kAgent] = Counts(agent.Ask("count"));
      agent.End();
      calls_[RefusedSide::kCoordinator] = Counts(coordinator_->Ask("count"));
    }
    return TakeBaseline();
  }

  bool TakeBaseline() {
    const absl::Time end = absl::Now() + kLong;
    do {
      absl::StatusOr<CrashBooks> books = Books();
      if (books.ok()) baseline_ = *books;
      if (books.ok() && books->agents == 0 && books->files == 0) return true;
      absl::SleepFor(absl::Milliseconds(10));
    } while (absl::Now() < end);
    Violated("nothing was refused, and something stays: " + ToText(baseline_));
    return false;
  }

  static std::vector<int> Counts(const std::string& line) {
    std::istringstream words(line);
    std::vector<int> counts;
    for (int count; words >> count;) counts.push_back(count);
    return counts;
  }

  RefusedSide Side() {
    for (const RefusedSide side :
         {RefusedSide::kAgent, RefusedSide::kCoordinator, RefusedSide::kStart}) {
      if (options_.side == NameOf(side)) return side;
    }
    const uint64_t draw = random_() % 8;
    return draw == 0  ? RefusedSide::kStart
           : draw < 5 ? RefusedSide::kAgent
                      : RefusedSide::kCoordinator;
  }

  // Nothing, if the side makes no such call.
  std::optional<Refusal> Choose(RefusedSide side) {
    const std::span<const RefusableCall> kinds =
        side == RefusedSide::kAgent ? CallsOfAgents() : CallsOfCoordinators();
    const std::vector<int>& counts = calls_[side];
    std::vector<size_t> made;
    for (size_t i = 0; i < kinds.size() && i < counts.size(); ++i) {
      if (counts[i] > 0 && (options_.call.empty() || options_.call == kinds[i].name)) {
        made.push_back(i);
      }
    }
    if (made.empty()) return std::nullopt;
    const size_t kind = made[random_() % made.size()];
    Refusal refusal = {.call = &kinds[kind]};
    refusal.nth = 1 + static_cast<int>(random_() % static_cast<uint64_t>(counts[kind]));
    refusal.error = refusal.call->errors[random_() % refusal.call->errors.size()];
    // To repeat an interrupted call for ever is right.
    refusal.for_ever = random_() % 2 == 0 && refusal.error != EINTR;
    return refusal;
  }

  std::string Try(RefusedSide side, const Refusal& refusal) {
    switch (side) {
      case RefusedSide::kAgent:
        return TryAgent(refusal);
      case RefusedSide::kCoordinator:
        return TryCoordinator(refusal);
      case RefusedSide::kStart:
        return TryStart(refusal);
    }
    return "";
  }

  std::string TryAgent(const Refusal& refusal) {
    RefusedAgent agent(coordinator_->dir());
    // Half of the agents have attached before, so that what they are left with can be compared.
    const bool again = random_() % 2 == 0;
    if (again && !JobSucceeds(agent, "the first job")) return Ended(agent);
    const ProcessHoldings before = agent.Holdings();
    agent.Ask(refusal.Line());
    const std::string answer = agent.Ask("job");
    if (answer == "(end)") return Ended(agent);
    Judge(answer);
    agent.Ask("allow");
    if (!JobSucceeds(agent, absl::StrCat("after ", answer, ", the job unrefused"))) {
      return Ended(agent);
    }
    // A mapping that cannot be unmapped stays.
    if (again) AwaitHoldings(agent, before, refusal.call->name != "munmap");
    if (const std::string end = agent.End(); end != "exit 0") Violated("its end: " + end);
    AwaitNothingLeft(answer);
    return answer;
  }

  std::string TryCoordinator(const Refusal& refusal) {
    RefusedAgent agent(coordinator_->dir());
    coordinator_->Ask(refusal.Line());
    const std::string answer = agent.Ask("job");
    if (answer == "(end)") return Ended(agent);
    Judge(answer);
    return GoOn(agent, answer, refusal.call->name == "unlink");
  }

  std::string TryStart(const Refusal& refusal) {
    if (!StopCoordinator()) return "";
    if (!coordinator_->Start(refusal.Line())) {
      const std::string end = coordinator_->End();
      const std::string log = coordinator_->Log();
      if (end != "exit 1" || !absl::StrContains(log, kCannotServe) ||
          absl::StrContains(log, "INTERNAL") || absl::StrContains(log, "UNKNOWN")) {
        Violated(absl::StrCat("it does not start, ", end, ": ", log));
      }
      ++summary_.coordinators_ended;
      if (!StartCoordinator()) return "";
      RefusedAgent agent(coordinator_->dir());
      JobSucceeds(agent, "the job after a start that was refused");
      agent.End();
      AwaitNothingLeft("a start that was refused");
      return "not started";
    }
    RefusedAgent agent(coordinator_->dir());
    const std::string answer = agent.Ask("job");
    if (answer == "(end)") return Ended(agent);
    Judge(answer);
    return GoOn(agent, answer, refusal.call->name == "unlink");
  }

  // Once nothing is refused any more.
  std::string GoOn(RefusedAgent& agent, const std::string& answer, bool files_stay) {
    const bool lives = coordinator_->Ask("allow") == "ok";
    if (!lives || absl::StrContains(coordinator_->Log(), kStateFailed)) {
      if (!coordinator_->AwaitEnd(kLong)) {
        Violated("the coordinator's disk gave wrong answers, and it goes on");
        return answer;
      }
      const std::string end = coordinator_->End();
      if (end != "exit 1" || !absl::StrContains(coordinator_->Log(), kStateFailed)) {
        Violated(absl::StrCat("the coordinator's end: ", end, ": ", coordinator_->Log()));
      }
      ++summary_.coordinators_ended;
      if (!StartCoordinator()) return answer;
    }
    if (!JobSucceeds(agent, absl::StrCat("after ", answer, ", the job unrefused"))) {
      return Ended(agent);
    }
    if (const std::string end = agent.End(); end != "exit 0") Violated("the agent's end: " + end);
    // A file whose name cannot be removed goes at the next start.
    if (files_stay && !(StopCoordinator() && StartCoordinator())) return answer;
    AwaitNothingLeft(answer);
    // Now and then: what it leaves can be opened.
    if (random_() % 4 == 0 && StopCoordinator() && StartCoordinator()) {
      RefusedAgent next(coordinator_->dir());
      JobSucceeds(next, "the job of the next coordinator");
      next.End();
      AwaitNothingLeft("the next coordinator");
    }
    return answer;
  }

  bool StopCoordinator() {
    coordinator_->Signal(SIGTERM);
    if (!coordinator_->AwaitEnd(kLong)) {
      Violated("the coordinator does not stop: " + coordinator_->Log());
      return false;
    }
    // gRPC waits for ever after some refusals; the coordinator does not.
    const std::string end = coordinator_->End();
    const bool gave_up = end == "exit 1" && absl::StrContains(coordinator_->Log(), kStopGivenUp);
    if (end != "exit 0" && !gave_up) {
      Violated(absl::StrCat("the coordinator stopped with ", end, ": ", coordinator_->Log()));
    }
    return true;
  }

  bool StartCoordinator() {
    if (coordinator_->Start()) return true;
    Violated(absl::StrCat("unrefused, it does not start: ", coordinator_->Log()));
    return false;
  }

  void Judge(const std::string& answer) {
    if (!IsClear(answer)) Violated("an unclear status: " + answer);
  }

  bool JobSucceeds(RefusedAgent& agent, const std::string& which) {
    const std::string answer = agent.Ask("job");
    if (answer == "ok") return true;
    Violated(absl::StrCat(which, ": ", answer, "\n", coordinator_->Log()));
    return answer != "(end)";
  }

  // The agent has ended, or cannot go on.
  std::string Ended(RefusedAgent& agent) {
    const std::string end = agent.End();
    if (end != "exit 0") Violated("the agent did not live: " + end);
    return end;
  }

  void AwaitHoldings(RefusedAgent& agent, const ProcessHoldings& before, bool unmaps) {
    const absl::Time end = absl::Now() + kLong;
    while (true) {
      const ProcessHoldings now = agent.Holdings();
      if (now.descriptors <= before.descriptors && now.threads <= before.threads &&
          (now.mappings <= before.mappings || !unmaps)) {
        return;
      }
      if (absl::Now() > end) {
        return Violated(absl::StrFormat(
            "the agent holds %d descriptors, %d threads, %d mappings more than before",
            now.descriptors - before.descriptors, now.threads - before.threads,
            now.mappings - before.mappings));
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
  }

  absl::StatusOr<CrashBooks> Books() {
    absl::StatusOr<CrashBooks> books = ReadCrashBooks(
        coordinator_->dir(), coordinator_->volatile_dir(), "refused", coordinator_->pid());
    if (!books.ok()) return books;
    // As it says itself, without those that gRPC keeps as it sees fit.
    const ProcessHoldings holdings = coordinator_->Holdings();
    books->descriptors = static_cast<uint64_t>(holdings.descriptors);
    books->threads = static_cast<uint64_t>(holdings.threads);
    return books;
  }

  void AwaitNothingLeft(const std::string& after) {
    const absl::Time end = absl::Now() + kLong;
    while (true) {
      const absl::StatusOr<CrashBooks> now = Books();
      if (now.ok() && NothingLeft(*now, baseline_)) return;
      if (absl::Now() > end) {
        return Violated(absl::StrCat("after ", after, " something stays: ",
                                     now.ok() ? ToText(*now) : now.status().ToString(),
                                     "; at first: ", ToText(baseline_), "\n", coordinator_->Log()));
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
  }

  const RefusedCallsOptions options_;
  RefusedCallsSummary summary_;
  std::mt19937_64 random_;
  std::unique_ptr<RefusedCoordinator> coordinator_;
  std::map<RefusedSide, std::vector<int>> calls_;  // of a job, or a start, by kind
  CrashBooks baseline_;
  std::string trial_;
};

}  // namespace

RefusedCallsSummary RunRefusedCalls(const RefusedCallsOptions& options) {
  signal(SIGPIPE, SIG_IGN);  // Who is spoken to may have ended.
  return RefusedCalls(options).Run();
}

std::string ToText(const RefusedCallsSummary& summary) {
  std::string text =
      absl::StrFormat("%d trials, %d coordinators ended by one, %d violations\n\n", summary.trials,
                      summary.coordinators_ended, summary.violations.size());
  absl::StrAppend(&text, "REFUSED\n");
  for (const auto& [call, trials] : summary.refused) {
    absl::StrAppendFormat(&text, "%-30s %6d\n", call, trials);
  }
  absl::StrAppend(&text, "\nANSWERS\n");
  for (const auto& [answer, trials] : summary.answers) {
    absl::StrAppendFormat(&text, "%-30s %6d\n", answer, trials);
  }
  for (const std::string& violation : summary.violations) {
    absl::StrAppend(&text, "\nVIOLATION ", violation, "\n");
  }
  return text;
}

}  // namespace causeway::faults
