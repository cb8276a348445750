// Causeway next to what the machine can do, and to what else there is.
//
//   bazel run -c opt //tests/bench:peers

#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agents/cli/table.h"
#include "tests/bench/flags.h"
#include "tests/bench/plot.h"
#include "tests/bench/report.h"
#include "tests/bench/rounds.h"
#include "tests/bench/services.h"
#include "tests/console/progress.h"

namespace causeway::bench {
namespace {

constexpr char kThroughput[] = "throughput";
constexpr char kSpinning[] = "spinning";
constexpr char kParked[] = "parked";

Comparison ComparisonFor(const std::string& measure, size_t frame_bytes) {
  if (measure == kThroughput) {
    return {.measure = measure,
            .shape = OneToOne(),
            .party_waits_as_it_likes = true,
            .frame_bytes = frame_bytes};
  }
  return {.measure = measure,
          .shape = RoundTrip(),
          .waiting = measure == kParked ? Waiting::kPark : Waiting::kSpin,
          .frame_bytes = frame_bytes};
}

bool TakesPart(const Party& party, const std::string& measure) {
  if (measure == kThroughput) return party.throughput;
  return measure == kSpinning ? party.spinning : party.parked;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "peers: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  Flags flags;
  const FlagChoices choices = {
      .program = "peers",
      .summary =
          "Throughput and round trips of Causeway, of the machine's limits and of peers, in\n"
          "interleaved rounds between two processes that write and read every byte.",
      .measures = {kThroughput, kSpinning, kParked},
      .sizes = {32, 64, 256, 1024, 65536, 1 << 20, 64 << 20},
      .plot = true};
  if (const std::optional<int> status = ParseFlags(choices, argc, argv, flags)) return *status;
  if (const absl::Status able = CheckPlot(flags.plot); !able.ok()) return Fail(able);
  const auto services = Services::Start(flags.parties, flags.sizes);
  if (!services.ok()) return Fail(services.status());

  std::vector<Result> results;
  for (const std::string& measure : flags.measures) {
    for (const size_t bytes : flags.sizes) {
      std::vector<const Party*> parties;
      for (const Party* party : flags.parties) {
        if (TakesPart(*party, measure)) parties.push_back(party);
      }
      Result result = {.comparison = ComparisonFor(measure, bytes),
                       .quantity = measure == kThroughput ? Quantity::kRate : Quantity::kRoundTrip};
      result.series = RunRounds(result.comparison, parties, **services, flags.rounds, ShowProgress);
      if (!flags.json) {
        std::fputs(RenderTables(result, TerminalWidth(STDOUT_FILENO)).c_str(), stdout);
        std::fflush(stdout);
      }
      results.push_back(std::move(result));
    }
  }
  if (flags.json) std::fputs(RenderJson(results, flags.rounds).c_str(), stdout);
  if (!flags.plot.empty()) {
    if (const absl::Status drawn = Plot(results, flags.plot); !drawn.ok()) return Fail(drawn);
  }
  return AllChecksumsRight(results) ? 0 : 1;
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
  if (const std::optional<int> status = causeway::bench::ServeIfAsked(argc, argv)) return *status;
  return causeway::bench::Main(argc, argv);
}
