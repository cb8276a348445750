// Durations, recorded at the cost of a store and looked at afterwards.

#ifndef CAUSEWAY_TESTS_BENCH_LATENCIES_H_
#define CAUSEWAY_TESTS_BENCH_LATENCIES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/bench/job.h"

namespace causeway::bench {

// Keeps every duration, so that its percentiles are exact. Not thread-safe.
class Latencies {
 public:
  // Makes room, and touches it, for so many more.
  void Reserve(uint64_t more) { samples_.resize(count_ + more); }

  // Room must have been made.
  void Record(int64_t duration) { samples_[count_++] = duration; }

  void Forget() { count_ = 0; }

  std::span<const int64_t> samples() const { return {samples_.data(), count_}; }

  // Of all that were recorded and not forgotten, each times `scale`. A percentile is the smallest
  // duration that at least that share does not exceed (nearest rank).
  Percentiles Summarize(double scale) const;

 private:
  std::vector<int64_t> samples_;
  size_t count_ = 0;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_LATENCIES_H_
