// Latencies of millions of frames in little memory, by Boost.Histogram.

#ifndef CAUSEWAY_TESTS_BENCH_LOAD_HISTOGRAM_H_
#define CAUSEWAY_TESTS_BENCH_LOAD_HISTOGRAM_H_

#include <cstdint>
#include <memory>

#include "tests/bench/job.h"

namespace causeway::bench {

// Bins grow with the value, so that a percentile is right within one per cent from 10 ns to 100 s.
// Not thread-safe. There is no such thing where Boost is not installed: see peer_library.bzl.
class LoadHistogram {
 public:
  LoadHistogram();
  ~LoadHistogram();

  void Record(int64_t nanos);
  void Forget();

  // A percentile is the upper edge of the bin that holds it, and never more than the maximum, which
  // is exact.
  Percentiles Summarize() const;

 private:
  struct Bins;
  const std::unique_ptr<Bins> bins_;
  double max_ = 0;
  uint64_t count_ = 0;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_LOAD_HISTOGRAM_H_
