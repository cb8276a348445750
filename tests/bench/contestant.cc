#include "tests/bench/contestant.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/bench/payload.h"

namespace causeway::bench {
namespace {

constexpr uint64_t kLeastFrames = 4;
constexpr uint64_t kMostFrames = 50'000'000;

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

uint64_t FramesFor(double seconds, uint64_t frames, double took) {
  const double wanted = static_cast<double>(frames) * seconds / std::max(took, 1e-9);
  return std::clamp(static_cast<uint64_t>(std::min(wanted, 1e15)), kLeastFrames, kMostFrames);
}

bool ReadsFrames(JobKind kind) {
  return kind == JobKind::kSink || kind == JobKind::kTimedSink || kind == JobKind::kPing ||
         kind == JobKind::kEcho;
}

bool IsSource(JobKind kind) {
  return kind == JobKind::kSource || kind == JobKind::kTimedSource || kind == JobKind::kPing;
}

}  // namespace

Contestant::Contestant(const Party& party, const Shape& shape, size_t frame_bytes)
    : party_(party), shape_(party.alone ? Alone() : shape), frame_bytes_(frame_bytes) {}

void Contestant::Fail(const absl::Status& status) {
  failure_ = std::string(status.message());
  if (failure_.empty()) failure_ = status.ToString();
  crew_.reset();
}

void Contestant::Start(Waiting waiting, const Services& services, uint64_t window_bytes,
                       bool pinned) {
  if (party_.make == nullptr) {
    return Fail(absl::UnavailableError(
        absl::StrCat("not installed; apt-get install ", std::string(party_.package))));
  }
  if (const absl::Status missing = services.Missing(party_); !missing.ok()) return Fail(missing);
  if (const absl::Status able = CheckShape(party_, shape_); !able.ok()) return Fail(able);
  static int number = 0;
  std::vector<ChannelSpec> channels;
  for (const Shape::Link& link : shape_.links) {
    channels.push_back({.name = absl::StrCat("bench-", getpid(), "-", ++number),
                        .writers = link.writers,
                        .readers = link.readers,
                        .frame_bytes = frame_bytes_,
                        .waiting = waiting,
                        .window_bytes = window_bytes,
                        .coordinator_dir = services.coordinator_dir()});
  }
  std::vector<Role> roles;
  for (const Shape::Post& post : shape_.posts) roles.push_back(post.role);
  auto crew = Crew::Start(party_.make(), channels, roles, pinned);
  if (!crew.ok()) return Fail(crew.status());
  crew_ = *std::move(crew);
}

void Contestant::Pilot(double seconds) {
  for (frames_ = kLeastFrames;;) {
    const uint64_t frames = frames_;
    const absl::StatusOr<Outcome> outcome = Run({.forget_latencies = true}, seconds);
    if (!outcome.ok() || outcome->seconds >= seconds / 4 || frames == kMostFrames) return;
    // A short run tells little: no more than eight times as many.
    frames_ = std::min(frames * 8, std::max(frames_, frames + 1));
  }
}

absl::StatusOr<Contestant::Outcome> Contestant::Run(const Job& job, double seconds) {
  const uint64_t frames = frames_;
  std::vector<Job> jobs(shape_.posts.size(), job);
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Shape::Post& post = shape_.posts[i];
    jobs[i].kind = post.kind;
    jobs[i].ordered = post.ordered;
    jobs[i].frames = frames * post.times;
    jobs[i].frame_bytes = frame_bytes_;
  }
  auto results = crew_->Run(jobs);
  if (!results.ok()) {
    Fail(results.status());
    return results.status();
  }
  uint64_t begin = ~uint64_t{0};
  uint64_t end = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Shape::Post& post = shape_.posts[i];
    const JobResult& result = (*results)[i];
    begin = std::min(begin, result.begin_nanos);
    end = std::max(end, result.end_nanos);
    if (!ReadsFrames(post.kind)) continue;
    if (result.checksum != post.times * ExpectedChecksum(frame_bytes_, frames, post.ordered)) {
      const absl::Status wrong = absl::DataLossError(absl::StrCat(
          "WRONG CHECKSUM in process ", i, " of ", jobs.size(), " after ", frames, " frames"));
      Fail(wrong);
      return wrong;
    }
  }
  live_bytes_ = results->front().live_bytes;
  Outcome outcome = {.seconds = static_cast<double>(end - begin) / 1e9,
                     .results = *std::move(results)};
  frames_ = FramesFor(seconds, frames, outcome.seconds);
  return outcome;
}

double Contestant::Rate(uint64_t frames, const Outcome& outcome) const {
  const auto sources = std::count_if(shape_.posts.begin(), shape_.posts.end(),
                                     [](const Shape::Post& post) { return IsSource(post.kind); });
  return static_cast<double>(sources) * static_cast<double>(frames) / outcome.seconds;
}

}  // namespace causeway::bench
