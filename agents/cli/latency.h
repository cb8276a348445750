// Percentiles of recorded durations in bounded memory.

#ifndef CAUSEWAY_AGENTS_CLI_LATENCY_H_
#define CAUSEWAY_AGENTS_CLI_LATENCY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace causeway {

// What a recorder saw. Durations in nanoseconds; all zero if nothing was recorded.
struct LatencySummary {
  uint64_t count = 0;    // durations that were recorded
  uint64_t samples = 0;  // durations that the percentiles come from: `count`, or the cap
  int64_t p50_ns = 0;
  int64_t p99_ns = 0;
  int64_t p999_ns = 0;
  int64_t max_ns = 0;  // of all recorded, kept or not
};

// Records durations. Up to `max_samples` of them are kept, and the percentiles are exact; beyond
// that a uniform random sample is kept (reservoir sampling, Vitter 1985, algorithm R). Not
// thread-safe.
class LatencyRecorder {
 public:
  // 8 MiB of samples.
  static constexpr size_t kDefaultMaxSamples = size_t{1} << 20;

  // `max_samples` must be positive. `seed` starts the choice of the samples that are kept.
  explicit LatencyRecorder(size_t max_samples = kDefaultMaxSamples, uint64_t seed = 1)
      : max_samples_(max_samples), random_state_(seed) {}

  // Constant time, but for the growth of the sample; no allocation once the cap is reached.
  void Record(int64_t duration_ns);

  // A percentile is the smallest kept duration that at least that share does not exceed (nearest
  // rank). Sorts a copy.
  LatencySummary Summarize() const;

 private:
  uint64_t NextRandom();

  const size_t max_samples_;
  uint64_t random_state_;
  uint64_t count_ = 0;
  int64_t max_ns_ = 0;
  std::vector<int64_t> samples_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_LATENCY_H_
