#include "tests/bench/rounds.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/contestant.h"

namespace causeway::bench {
namespace {

// Where nobody says how large his live memory is.
constexpr uint64_t kWindowBytes = uint64_t{2} << 20;

constexpr int kSettlingTurns = 3;

void TakeTurn(Contestant& contestant, double seconds, Series& series) {
  const uint64_t frames = contestant.frames();
  const auto outcome = contestant.Run({.forget_latencies = true}, seconds);
  if (!outcome.ok()) return;
  series.turns.push_back({.frames_per_second = contestant.Rate(frames, *outcome),
                          .latency = outcome->results.front().latency});
}

void CountFaultsAndCalls(Contestant& contestant, double seconds, Series& series) {
  const double millions = static_cast<double>(contestant.frames()) / 1e6;
  const auto outcome = contestant.Run({.count_system_calls = true}, seconds);
  if (!outcome.ok()) return;
  const JobResult& first = outcome->results.front();
  const JobResult& last = outcome->results.back();
  const auto calls = [millions](const JobResult& result) {
    return result.system_calls < 0 ? -1 : static_cast<double>(result.system_calls) / millions;
  };
  series.faults_first = static_cast<double>(first.page_faults) / millions;
  series.faults_last = static_cast<double>(last.page_faults) / millions;
  series.calls_first = calls(first);
  series.calls_last = calls(last);
}

}  // namespace

std::vector<Series> RunRounds(const Comparison& comparison, std::span<const Party* const> parties,
                              const Services& services, const RoundsOptions& options,
                              const std::function<void(std::string_view)>& say) {
  std::vector<Series> all(parties.size());
  std::vector<std::unique_ptr<Contestant>> contestants;
  for (size_t i = 0; i < parties.size(); ++i) {
    all[i].party = parties[i];
    contestants.push_back(
        std::make_unique<Contestant>(*parties[i], comparison.shape, comparison.frame_bytes));
  }
  const std::string what = absl::StrCat(comparison.measure, ", ", comparison.shape.name,
                                        ", frames of ", comparison.frame_bytes, " bytes: ");
  const auto in_turn = [&](const std::string& stage, const auto& act) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (contestants[i]->failed()) continue;
      say(absl::StrCat(what, stage, ", ", std::string(parties[i]->name)));
      act(*contestants[i], all[i]);
    }
  };
  uint64_t window_bytes = kWindowBytes;
  const auto make_ready = [&](bool ours) {
    in_turn("making ready", [&](Contestant& contestant, Series&) {
      const Party& party = contestant.party();
      if ((party.rank == Rank::kOurs) != ours) return;
      contestant.Start(
          comparison.party_waits_as_it_likes ? party.throughput_waiting : comparison.waiting,
          services, window_bytes, options.pinned);
      if (!contestant.failed()) contestant.Pilot(options.seconds);
      // While it warmed up, a reader may have lagged: what is live then is not what stays live.
      for (int i = 0; ours && i < kSettlingTurns && !contestant.failed(); ++i) {
        contestant.Run({.forget_latencies = true}, options.seconds).status().IgnoreError();
      }
    });
  };
  make_ready(true);
  for (const auto& contestant : contestants) {
    if (contestant->live_bytes() == 0) continue;
    window_bytes = contestant->live_bytes();
    break;
  }
  make_ready(false);
  for (int round = 1; round <= options.rounds; ++round) {
    in_turn(absl::StrCat("round ", round, " of ", options.rounds),
            [&](Contestant& contestant, Series& series) {
              TakeTurn(contestant, options.seconds, series);
            });
  }
  in_turn("counting", [&](Contestant& contestant, Series& series) {
    CountFaultsAndCalls(contestant, options.seconds, series);
  });
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].failure = contestants[i]->failure();
    all[i].live_bytes = contestants[i]->live_bytes();
  }
  say("");
  return all;
}

}  // namespace causeway::bench
