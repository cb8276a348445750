// Hostile processes: one target after the other, a process damages a word of a shared page (or the
// pages of the file) as fast as it can, while others parse. Nobody may crash, hang or read outside,
// and the honest stream beside goes on, frame by frame.
//
//   bazel run --config=asan //tests/hostile:hostile_peers -- --seconds=600 --seed=N
//
// Exits with 1 if anything else happens, and says how to do it again.

#include <sys/mman.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "agents/cli/table.h"
#include "mmapcore/deadline.h"
#include "tests/console/flags.h"
#include "tests/console/progress.h"
#include "tests/hostile/attack_counts.h"
#include "tests/hostile/attacks.h"
#include "tests/hostile/hostile_words.h"
#include "tests/hostile/random.h"

namespace causeway::hostile {
namespace {

struct Flags {
  uint64_t seed = 1;
  int64_t seconds = 0;
  uint64_t rounds = 1;
  uint64_t frames = 2000;
  std::string only;
};

struct Attack {
  absl::Status (*run)(const Target&, const AttackOptions&, AttackCounts&);
  const Target* target;
  AttackCounts* counts;
};

std::vector<Attack> AllAttacks() {
  std::vector<Attack> attacks;
  for (const Target& target : WriterTargets()) attacks.push_back({AttackReader, &target, nullptr});
  for (const Target& target : ReaderTargets()) attacks.push_back({AttackWriter, &target, nullptr});
  // Zeros, and the same memory in every process.
  void* const shared = mmap(nullptr, attacks.size() * sizeof(AttackCounts), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  AttackCounts* const all_counts = new (shared) AttackCounts[attacks.size()]{};
  for (size_t i = 0; i < attacks.size(); ++i) attacks[i].counts = &all_counts[i];
  return attacks;
}

std::string RefusedText(const AttackCounts& counts) {
  std::string text;
  for (size_t code = 0; code < AttackCounts::kCodes; ++code) {
    const uint64_t count = counts.refused[code].load();
    if (count == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ",
                    absl::StatusCodeToString(static_cast<absl::StatusCode>(code)), " ",
                    GroupDigits(count));
  }
  const std::pair<const char*, uint64_t> others[] = {{"bad cursor", counts.bad_cursors.load()},
                                                     {"evicted", counts.evictions.load()}};
  for (const auto& [name, count] : others) {
    if (count > 0) absl::StrAppend(&text, text.empty() ? "" : ", ", name, " ", GroupDigits(count));
  }
  return text;
}

void PrintSummary(const std::vector<Attack>& attacks) {
  using enum Column::Kind;
  TextTable table({{"TARGET", kText},
                   {"SCRIBBLES", kNumber},
                   {"OPENED", kNumber},
                   {"VERIFIED", kNumber},
                   {"FORGED", kNumber},
                   {"GAPS", kNumber},
                   {"ENDS", kNumber},
                   {"HONEST", kNumber},
                   {"REFUSED", kText}});
  for (const Attack& attack : attacks) {
    const AttackCounts& counts = *attack.counts;
    if (counts.rounds.load() == 0) continue;
    table.AddRow({attack.target->name, GroupDigits(counts.scribbles.load()),
                  GroupDigits(counts.openings.load()), GroupDigits(counts.verified.load()),
                  GroupDigits(counts.forged.load()), GroupDigits(counts.gaps.load()),
                  GroupDigits(counts.ends.load()), GroupDigits(counts.honest.load()),
                  RefusedText(counts)});
  }
  std::fputs(table.Render(0).c_str(), stdout);
}

int Run(const Flags& flags) {
  std::printf("--seed=%llu\n", static_cast<unsigned long long>(flags.seed));
  std::fflush(stdout);
  const std::vector<Attack> attacks = AllAttacks();
  Random random(flags.seed);
  const int64_t begin = Deadline::NowNanos();
  const Deadline end = Deadline::After(absl::Seconds(flags.seconds));
  uint64_t done = 0;
  for (uint64_t round = 0; flags.seconds > 0 ? !end.HasPassed() : round < flags.rounds; ++round) {
    for (const Attack& attack : attacks) {
      const uint64_t seed = random.Next();
      if (!flags.only.empty() && flags.only != attack.target->name) continue;
      if (flags.seconds > 0 && round > 0 && end.HasPassed()) break;
      AttackCounts::Add(attack.counts->rounds);
      const absl::Status status =
          attack.run(*attack.target, {.seed = seed, .honest_frames = flags.frames}, *attack.counts);
      if (!status.ok()) {
        ShowProgress("");
        PrintSummary(attacks);
        std::fflush(stdout);
        std::fprintf(stderr,
                     "%s, under attack: %s, round %llu\nagain: --seed=%llu --rounds=%llu "
                     "--frames=%llu --only=\"%s\"\n",
                     std::string(status.message()).c_str(), attack.target->name,
                     static_cast<unsigned long long>(round),
                     static_cast<unsigned long long>(flags.seed),
                     static_cast<unsigned long long>(round + 1),
                     static_cast<unsigned long long>(flags.frames), attack.target->name);
        return 1;
      }
      ++done;
      ShowProgress(absl::StrFormat("%d attacks, %.0f s, now: %s", done,
                                   static_cast<double>(Deadline::NowNanos() - begin) * 1e-9,
                                   attack.target->name));
    }
  }
  ShowProgress("");
  PrintSummary(attacks);
  std::printf("%llu attacks in %.1f s: no crash, no hang; every honest frame was read\n",
              static_cast<unsigned long long>(done),
              static_cast<double>(Deadline::NowNanos() - begin) * 1e-9);
  return done > 0 ? 0 : 1;
}

}  // namespace
}  // namespace causeway::hostile

int main(int argc, char** argv) {
  causeway::hostile::Flags flags;
  CLI::App app("Processes that damage shared memory, word by word, while others parse it.");
  app.name("hostile_peers");
  app.add_option("--seed", flags.seed, "Everything that is drawn follows from it (default 1)");
  app.add_option("--seconds", flags.seconds,
                 "Go on for so long, once through all targets at least");
  app.add_option("--rounds", flags.rounds, "Without --seconds: so often through all (default 1)");
  app.add_option("--frames", flags.frames, "Honest frames of one attack (default 2000)")
      ->check(CLI::Range(1, 100'000'000));
  app.add_option("--only", flags.only, "One target, as the summary names it");
  if (const std::optional<int> ended = causeway::ParseApp(app, argc, argv)) return *ended;
  return causeway::hostile::Run(flags);
}
