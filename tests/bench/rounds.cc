#include "tests/bench/rounds.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/channel.h"
#include "tests/bench/crew.h"
#include "tests/bench/payload.h"

namespace causeway::bench {
namespace {

constexpr uint64_t kLeastFrames = 4;
constexpr uint64_t kMostFrames = 50'000'000;
// Where nobody says how large his live memory is.
constexpr uint64_t kWindowBytes = uint64_t{2} << 20;

absl::Status CheckShape(const Party& party, const Shape& shape) {
  for (const Shape::Link& link : shape.links) {
    if (link.readers > 1 && !party.several_readers) {
      return absl::UnimplementedError("has one reader");
    }
    if (link.writers > 1 && !party.several_writers) {
      return absl::UnimplementedError("has one writer");
    }
  }
  return absl::OkStatus();
}

struct Outcome {
  double seconds = 0;
  std::vector<JobResult> results;
};

// One party's crew, and what it is given.
class Contestant {
 public:
  Contestant(const Comparison& comparison, Series& series)
      : shape_(series.party->alone ? Alone() : comparison.shape),
        frame_bytes_(comparison.frame_bytes),
        series_(series) {}

  bool out() const { return !series_.failure.empty(); }
  void Fail(const absl::Status& status) {
    series_.failure = std::string(status.message());
    if (series_.failure.empty()) series_.failure = status.ToString();
    crew_.reset();
  }
  void Leave() { crew_.reset(); }

  void Start(const Comparison& comparison, const Services& services, uint64_t window_bytes,
             bool pinned) {
    const Party& party = *series_.party;
    if (party.make == nullptr) {
      return Fail(absl::UnavailableError(
          absl::StrCat("not installed; apt-get install ", std::string(party.package))));
    }
    if (const absl::Status missing = services.Missing(party); !missing.ok()) return Fail(missing);
    if (const absl::Status shape = CheckShape(party, shape_); !shape.ok()) return Fail(shape);
    static int number = 0;
    std::vector<ChannelSpec> channels;
    for (const Shape::Link& link : shape_.links) {
      channels.push_back({.name = absl::StrCat("bench-", getpid(), "-", ++number),
                          .writers = link.writers,
                          .readers = link.readers,
                          .frame_bytes = frame_bytes_,
                          .waiting = comparison.party_waits_as_it_likes ? party.throughput_waiting
                                                                        : comparison.waiting,
                          .window_bytes = window_bytes,
                          .coordinator_dir = services.coordinator_dir()});
    }
    std::vector<Role> roles;
    for (const Shape::Post& post : shape_.posts) roles.push_back(post.role);
    auto crew = Crew::Start(party.make(), channels, roles, pinned);
    if (!crew.ok()) return Fail(crew.status());
    crew_ = *std::move(crew);
  }

  // `frames` of each source.
  absl::StatusOr<Outcome> Run(uint64_t frames, bool count_system_calls) {
    std::vector<Job> jobs;
    for (const Shape::Post& post : shape_.posts) {
      jobs.push_back({.kind = post.kind,
                      .ordered = post.ordered,
                      .count_system_calls = count_system_calls,
                      .forget_latencies = true,
                      .frames = frames * post.times,
                      .frame_bytes = frame_bytes_});
    }
    auto results = crew_->Run(jobs);
    if (!results.ok()) return results.status();
    uint64_t begin = ~uint64_t{0};
    uint64_t end = 0;
    for (size_t i = 0; i < jobs.size(); ++i) {
      const Shape::Post& post = shape_.posts[i];
      const JobResult& result = (*results)[i];
      begin = std::min(begin, result.begin_nanos);
      end = std::max(end, result.end_nanos);
      if (post.kind == JobKind::kSource || post.kind == JobKind::kRelay) continue;
      const uint64_t expected = post.times * ExpectedChecksum(frame_bytes_, frames, post.ordered);
      if (result.checksum != expected) {
        return absl::DataLossError(absl::StrCat("WRONG CHECKSUM in process ", i, " of ",
                                                jobs.size(), " after ", frames, " frames"));
      }
    }
    return Outcome{.seconds = static_cast<double>(end - begin) / 1e9,
                   .results = *std::move(results)};
  }

  // Warms up, and finds out how many frames take a turn's time.
  void Pilot(double seconds) {
    for (uint64_t frames = kLeastFrames;;) {
      const absl::StatusOr<Outcome> outcome = Run(frames, false);
      if (!outcome.ok()) return Fail(outcome.status());
      frames_ = FramesFor(seconds, frames, outcome->seconds);
      series_.live_bytes = outcome->results.front().live_bytes;
      if (outcome->seconds >= seconds / 4 || frames == kMostFrames) return;
      // A short run tells little: no more than eight times as many.
      frames = std::min(frames * 8, std::max(frames_, frames + 1));
    }
  }

  void TakeTurn(double seconds) {
    const absl::StatusOr<Outcome> outcome = Run(frames_, false);
    if (!outcome.ok()) return Fail(outcome.status());
    double sources = 0;
    for (const Shape::Post& post : shape_.posts) {
      if (post.kind == JobKind::kSource || post.kind == JobKind::kPing) ++sources;
    }
    series_.turns.push_back(
        {.frames_per_second = sources * static_cast<double>(frames_) / outcome->seconds,
         .latency = outcome->results.front().latency});
    frames_ = FramesFor(seconds, frames_, outcome->seconds);
  }

  void CountFaultsAndCalls() {
    const absl::StatusOr<Outcome> outcome = Run(frames_, true);
    if (!outcome.ok()) return Fail(outcome.status());
    const JobResult& first = outcome->results.front();
    const JobResult& last = outcome->results.back();
    const double millions = static_cast<double>(frames_) / 1e6;
    series_.faults_first = static_cast<double>(first.page_faults) / millions;
    series_.faults_last = static_cast<double>(last.page_faults) / millions;
    if (first.system_calls >= 0) {
      series_.calls_first = static_cast<double>(first.system_calls) / millions;
    }
    if (last.system_calls >= 0) {
      series_.calls_last = static_cast<double>(last.system_calls) / millions;
    }
  }

 private:
  static uint64_t FramesFor(double seconds, uint64_t frames, double took) {
    const double wanted = static_cast<double>(frames) * seconds / std::max(took, 1e-9);
    return std::clamp(static_cast<uint64_t>(std::min(wanted, 1e15)), kLeastFrames, kMostFrames);
  }

  const Shape shape_;
  const size_t frame_bytes_;
  Series& series_;
  std::unique_ptr<Crew> crew_;
  uint64_t frames_ = 0;
};

}  // namespace

std::vector<Series> RunRounds(const Comparison& comparison, std::span<const Party* const> parties,
                              const Services& services, const RoundsOptions& options,
                              const std::function<void(std::string_view)>& say) {
  std::vector<Series> all(parties.size());
  std::vector<std::unique_ptr<Contestant>> contestants;
  for (size_t i = 0; i < parties.size(); ++i) {
    all[i].party = parties[i];
    contestants.push_back(std::make_unique<Contestant>(comparison, all[i]));
  }
  const std::string what = absl::StrCat(comparison.measure, ", ", comparison.shape.name,
                                        ", frames of ", comparison.frame_bytes, " bytes: ");
  const auto in_turn = [&](const std::string& stage, const auto& act) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (contestants[i]->out()) continue;
      say(absl::StrCat(what, stage, ", ", std::string(all[i].party->name)));
      act(i);
    }
  };
  uint64_t window_bytes = kWindowBytes;
  const auto make_ready = [&](bool ours) {
    in_turn("making ready", [&](size_t i) {
      if ((all[i].party->rank == Rank::kOurs) != ours) return;
      contestants[i]->Start(comparison, services, window_bytes, options.pinned);
      if (!contestants[i]->out()) contestants[i]->Pilot(options.seconds);
    });
  };
  make_ready(true);
  for (const Series& series : all) {
    if (series.live_bytes == 0) continue;
    window_bytes = series.live_bytes;
    break;
  }
  make_ready(false);
  for (int round = 1; round <= options.rounds; ++round) {
    in_turn(absl::StrCat("round ", round, " of ", options.rounds),
            [&](size_t i) { contestants[i]->TakeTurn(options.seconds); });
  }
  in_turn("counting", [&](size_t i) { contestants[i]->CountFaultsAndCalls(); });
  say("");
  return all;
}

}  // namespace causeway::bench
