#include "tests/bench/latencies.h"

#include <algorithm>
#include <numeric>

namespace causeway::bench {
namespace {

double NearestRank(const std::vector<int64_t>& sorted, uint64_t per_myriad, double scale) {
  const size_t rank = (sorted.size() * per_myriad + 9999) / 10000;
  return static_cast<double>(sorted[rank - 1]) * scale;
}

}  // namespace

Percentiles Latencies::Summarize(double scale) const {
  Percentiles percentiles = {.count = count_};
  if (count_ == 0) return percentiles;
  std::vector<int64_t> sorted(samples_.begin(), samples_.begin() + static_cast<int64_t>(count_));
  std::sort(sorted.begin(), sorted.end());
  const auto quarter = static_cast<int64_t>(count_ / 4);
  const auto begin = sorted.begin() + quarter;
  const auto end = sorted.end() - quarter;
  percentiles.middle = static_cast<double>(std::accumulate(begin, end, int64_t{0})) /
                       static_cast<double>(end - begin) * scale;
  percentiles.p50 = NearestRank(sorted, 5000, scale);
  percentiles.p90 = NearestRank(sorted, 9000, scale);
  percentiles.p99 = NearestRank(sorted, 9900, scale);
  percentiles.p999 = NearestRank(sorted, 9990, scale);
  percentiles.p9999 = NearestRank(sorted, 9999, scale);
  percentiles.max = static_cast<double>(sorted.back()) * scale;
  return percentiles;
}

}  // namespace causeway::bench
