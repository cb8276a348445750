#include "agents/cli/latency.h"

#include <algorithm>

namespace causeway {
namespace {

// `sorted` must not be empty; `per_mille` is in (0, 1000].
int64_t NearestRank(const std::vector<int64_t>& sorted, size_t per_mille) {
  const size_t rank = (sorted.size() * per_mille + 999) / 1000;
  return sorted[rank - 1];
}

}  // namespace

void LatencyRecorder::Record(int64_t duration_ns) {
  max_ns_ = count_ == 0 ? duration_ns : std::max(max_ns_, duration_ns);
  ++count_;
  if (samples_.size() < max_samples_) {
    samples_.push_back(duration_ns);
    return;
  }
  // The modulo's bias, count / 2^64, is far below anything a percentile could show.
  const uint64_t slot = NextRandom() % count_;
  if (slot < max_samples_) samples_[slot] = duration_ns;
}

LatencySummary LatencyRecorder::Summarize() const {
  LatencySummary summary;
  summary.count = count_;
  summary.samples = samples_.size();
  if (samples_.empty()) return summary;
  std::vector<int64_t> sorted = samples_;
  std::sort(sorted.begin(), sorted.end());
  summary.p50_ns = NearestRank(sorted, 500);
  summary.p99_ns = NearestRank(sorted, 990);
  summary.p999_ns = NearestRank(sorted, 999);
  summary.max_ns = max_ns_;
  return summary;
}

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t LatencyRecorder::NextRandom() {
  random_state_ += 0x9e3779b97f4a7c15;
  uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace causeway
