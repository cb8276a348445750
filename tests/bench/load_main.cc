// Latency at a fixed offered load: frames are sent at their times, and a frame that was late waits
// from when it was due, not from when it was sent.
//
//   bazel run -c opt //tests/bench:load

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/cli/table.h"
#include "nlohmann/json.hpp"
#include "tests/bench/contestant.h"
#include "tests/bench/flags.h"
#include "tests/bench/ratios.h"
#include "tests/bench/report.h"
#include "tests/bench/services.h"
#include "tests/bench/shape.h"
#include "tests/console/progress.h"

namespace causeway::bench {
namespace {

constexpr char kSpinning[] = "spinning";
constexpr char kParked[] = "parked";
constexpr double kLoads[] = {0.1, 0.5, 0.9};
constexpr uint64_t kWindowBytes = uint64_t{2} << 20;

// What came of one load.
struct LoadResult {
  double load = 0;  // of the maximum
  double offered_per_second = 0;
  Percentiles latency;  // of all rounds
};

struct LoadSeries {
  std::unique_ptr<Contestant> contestant;
  std::vector<double> maxima;  // of each round, frames per second
  std::vector<LoadResult> loads;
};

struct LoadComparison {
  std::string measure;
  size_t frame_bytes = 0;
  std::vector<LoadSeries> series;
};

Shape TimedOneToOne() {
  return {.name = "1 to 1",
          .links = {{}},
          .posts = {{JobKind::kTimedSource, {.out = 0}}, {JobKind::kTimedSink, {.in = 0}}}};
}

// Measures the maximum, and then each load, in rounds over all parties.
LoadComparison Measure(const std::string& measure, size_t frame_bytes,
                       const std::vector<const Party*>& parties, const Services& services,
                       const RoundsOptions& options) {
  LoadComparison comparison = {.measure = measure, .frame_bytes = frame_bytes};
  for (const Party* party : parties) {
    comparison.series.push_back(
        {.contestant = std::make_unique<Contestant>(*party, TimedOneToOne(), frame_bytes)});
  }
  const auto in_turn = [&](const std::string& stage, const auto& act) {
    for (LoadSeries& series : comparison.series) {
      if (series.contestant->failed()) continue;
      ShowProgress(absl::StrCat(measure, ", frames of ", frame_bytes, " bytes: ", stage, ", ",
                                std::string(series.contestant->party().name)));
      act(series, *series.contestant);
    }
  };
  const Waiting waiting = measure == kParked ? Waiting::kPark : Waiting::kSpin;
  in_turn("making ready", [&](LoadSeries&, Contestant& contestant) {
    contestant.Start(waiting, services, kWindowBytes, options.pinned);
    if (!contestant.failed()) contestant.Pilot(options.seconds);
  });
  for (int round = 0; round < options.rounds; ++round) {
    in_turn("the maximum", [&](LoadSeries& series, Contestant& contestant) {
      const uint64_t frames = contestant.frames();
      const auto outcome = contestant.Run({.forget_latencies = true}, options.seconds);
      if (outcome.ok()) series.maxima.push_back(contestant.Rate(frames, *outcome));
    });
  }
  for (const double load : kLoads) {
    for (int round = 0; round < options.rounds; ++round) {
      in_turn(absl::StrFormat("load of %.0f %%", load * 100), [&](LoadSeries& series,
                                                                  Contestant& contestant) {
        const double offered = load * Median(series.maxima);
        contestant.set_frames(
            std::max<uint64_t>(4, static_cast<uint64_t>(offered * options.seconds)));
        const auto outcome = contestant.Run(
            {.forget_latencies = round == 0, .interval_nanos = 1e9 / offered}, options.seconds);
        if (!outcome.ok()) return;
        if (round == 0) series.loads.push_back({load, offered, {}});
        series.loads.back().latency = outcome->results.back().latency;
      });
    }
  }
  ShowProgress("");
  // Their processes have nothing more to do.
  for (LoadSeries& series : comparison.series) {
    if (!series.contestant->failed()) series.contestant->Leave();
  }
  return comparison;
}

std::string Render(const LoadComparison& comparison, size_t width) {
  TextTable table({{"PARTY"},
                   {"MAX/S", Column::Kind::kNumber},
                   {"LOAD", Column::Kind::kNumber},
                   {"P50", Column::Kind::kNumber},
                   {"P90", Column::Kind::kNumber},
                   {"P99", Column::Kind::kNumber},
                   {"P99.9", Column::Kind::kNumber},
                   {"P99.99", Column::Kind::kNumber},
                   {"MAX", Column::Kind::kNumber},
                   {"FRAMES", Column::Kind::kNumber}});
  std::string absent;
  for (const LoadSeries& series : comparison.series) {
    const std::string name(series.contestant->party().name);
    if (series.contestant->failed()) {
      absl::StrAppend(&absent, "  ", name, ": ", series.contestant->failure(), "\n");
    }
    for (const LoadResult& result : series.loads) {
      const Percentiles& latency = result.latency;
      table.AddRow({name, GroupDigits(static_cast<uint64_t>(Median(series.maxima))),
                    absl::StrFormat("%.0f %%", result.load * 100), HumanDuration(latency.p50),
                    HumanDuration(latency.p90), HumanDuration(latency.p99),
                    HumanDuration(latency.p999), HumanDuration(latency.p9999),
                    HumanDuration(latency.max), GroupDigits(latency.count)});
    }
  }
  return absl::StrCat("latency under load, ", comparison.measure, ", frames of ",
                      GroupDigits(comparison.frame_bytes), " bytes\n", table.Render(width),
                      absent.empty() ? "" : absl::StrCat("Left out:\n", absent), "\n");
}

nlohmann::json ToJson(const LoadComparison& comparison) {
  nlohmann::json entries = nlohmann::json::array();
  for (const LoadSeries& series : comparison.series) {
    nlohmann::json entry = {{"measure", comparison.measure},
                            {"frame_bytes", comparison.frame_bytes},
                            {"party", std::string(series.contestant->party().name)},
                            {"maximum_per_second", series.maxima},
                            {"loads", nlohmann::json::array()}};
    if (series.contestant->failed()) entry["failure"] = series.contestant->failure();
    for (const LoadResult& result : series.loads) {
      const Percentiles& latency = result.latency;
      entry["loads"].push_back({{"load", result.load},
                                {"offered_per_second", result.offered_per_second},
                                {"frames", latency.count},
                                {"p50_ns", latency.p50},
                                {"p90_ns", latency.p90},
                                {"p99_ns", latency.p99},
                                {"p999_ns", latency.p999},
                                {"p9999_ns", latency.p9999},
                                {"max_ns", latency.max}});
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool TakesPart(const Party& party, const std::string& measure) {
  return party.throughput && !party.alone &&
         (measure == kParked ? party.parked : party.spinning || party.rank == Rank::kLimit);
}

int Fail(std::string_view message) {
  std::fprintf(stderr, "load: %.*s\n", static_cast<int>(message.size()), message.data());
  return 1;
}

int Main(int argc, char** argv) {
  Flags flags;
  flags.rounds.rounds = 3;
  flags.rounds.seconds = 0.2;
  const FlagChoices choices = {
      .program = "load",
      .summary =
          "Latency at 10, 50 and 90 % of the most that each party moves when both ends take\n"
          "the time for every frame. It counts from when a frame was due (no coordinated\n"
          "omission), and is told up to the 99.99th percentile.",
      .measures = {kSpinning, kParked},
      .sizes = {64, 65536}};
  if (const std::optional<int> status = ParseFlags(choices, argc, argv, flags)) return *status;
#ifndef CAUSEWAY_BENCH_LOAD_HISTOGRAM
  return Fail(
      "was built without Boost.Histogram; apt-get install libboost-dev, then bazel sync "
      "--configure");
#endif
  const auto services = Services::Start(flags.parties, flags.sizes);
  if (!services.ok()) return Fail(services.status().ToString());
  nlohmann::json report = {{"results", nlohmann::json::array()}};
  bool right = true;
  for (const std::string& measure : flags.measures) {
    for (const size_t bytes : flags.sizes) {
      std::vector<const Party*> parties;
      for (const Party* party : flags.parties) {
        if (TakesPart(*party, measure)) parties.push_back(party);
      }
      const LoadComparison comparison = Measure(measure, bytes, parties, **services, flags.rounds);
      for (const LoadSeries& series : comparison.series) {
        right = right && series.contestant->failure().find("CHECKSUM") == std::string::npos;
      }
      if (flags.json) {
        for (auto& entry : ToJson(comparison)) report["results"].push_back(std::move(entry));
      } else {
        std::fputs(Render(comparison, TerminalWidth(STDOUT_FILENO)).c_str(), stdout);
        std::fflush(stdout);
      }
    }
  }
  if (flags.json) std::printf("%s\n", report.dump().c_str());
  return right ? 0 : 1;
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
  if (const std::optional<int> status = causeway::bench::ServeIfAsked(argc, argv)) return *status;
  return causeway::bench::Main(argc, argv);
}
