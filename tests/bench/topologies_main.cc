// The topologies of the Disruptor paper (Thompson, Farley, Barker, Gee, Stewart, 2011), between
// processes: ours next to every peer that can do each.
//
//   bazel run -c opt //tests/bench:topologies

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agents/cli/table.h"
#include "tests/bench/flags.h"
#include "tests/bench/report.h"
#include "tests/bench/rounds.h"
#include "tests/bench/services.h"
#include "tests/bench/shape.h"
#include "tests/console/progress.h"

namespace causeway::bench {
namespace {

struct Topology {
  const char* name;
  Shape shape;
};

std::vector<Topology> Topologies() {
  return {{"unicast", OneToOne()},
          {"multicast", Multicast(3)},
          {"sequencer", FanIn(3)},
          {"pipeline", Pipeline()},
          {"diamond", Diamond()}};
}

int Main(int argc, char** argv) {
  Flags flags;
  // More processes than this machine may have cores: the kernel places them.
  flags.rounds.pinned = false;
  std::vector<std::string> names;
  for (const Topology& topology : Topologies()) names.emplace_back(topology.name);
  const FlagChoices choices = {
      .program = "topologies",
      .summary =
          "Throughput of several processes: one to one, one to three (each reads all), three\n"
          "to one, a pipeline of three, and a diamond. Every process waits as its party does\n"
          "when nobody asks for more, since there may be fewer cores than processes.",
      .measures = names,
      .sizes = {64, 1024, 65536}};
  if (const std::optional<int> status = ParseFlags(choices, argc, argv, flags)) return *status;
  std::erase_if(flags.parties, [](const Party* party) {
    return !party->throughput || party->rank == Rank::kLimit;
  });
  const auto services = Services::Start(flags.parties, flags.sizes);
  if (!services.ok()) {
    std::fprintf(stderr, "topologies: %s\n", std::string(services.status().message()).c_str());
    return 1;
  }
  std::vector<Result> results;
  for (const Topology& topology : Topologies()) {
    if (std::find(flags.measures.begin(), flags.measures.end(), topology.name) ==
        flags.measures.end()) {
      continue;
    }
    for (const size_t bytes : flags.sizes) {
      Result result = {.comparison = {.measure = topology.name,
                                      .shape = topology.shape,
                                      .waiting = Waiting::kAdaptive,
                                      .frame_bytes = bytes}};
      result.series =
          RunRounds(result.comparison, flags.parties, **services, flags.rounds, ShowProgress);
      if (!flags.json) {
        std::fputs(RenderTables(result, TerminalWidth(STDOUT_FILENO)).c_str(), stdout);
        std::fflush(stdout);
      }
      results.push_back(std::move(result));
    }
  }
  if (flags.json) std::fputs(RenderJson(results, flags.rounds).c_str(), stdout);
  return AllChecksumsRight(results) ? 0 : 1;
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
  if (const std::optional<int> status = causeway::bench::ServeIfAsked(argc, argv)) return *status;
  return causeway::bench::Main(argc, argv);
}
