#include "tests/bench/load_histogram.h"

#include <algorithm>
#include <boost/histogram.hpp>

namespace causeway::bench {
namespace {

namespace bh = boost::histogram;

auto MakeBins() {
  // 100 bins for each factor of e; from 10 ns to 100 s there are 23 such factors.
  using Axis = bh::axis::regular<double, bh::axis::transform::log>;
  return bh::make_histogram(Axis(100 * 23, 10, 1e11));
}

}  // namespace

struct LoadHistogram::Bins {
  decltype(MakeBins()) histogram = MakeBins();

  // Where at least `wanted` are not above.
  double Quantile(double wanted, double max) const {
    double seen = 0;
    for (const auto& bin : bh::indexed(histogram, bh::coverage::all)) {
      seen += static_cast<double>(*bin);
      if (seen >= wanted) return std::min(bin.bin().upper(), max);
    }
    return max;
  }
};

LoadHistogram::LoadHistogram() : bins_(std::make_unique<Bins>()) {}
LoadHistogram::~LoadHistogram() = default;

void LoadHistogram::Record(int64_t nanos) {
  const double value = static_cast<double>(std::max<int64_t>(nanos, 1));
  bins_->histogram(value);
  max_ = std::max(max_, value);
  ++count_;
}

void LoadHistogram::Forget() {
  bins_->histogram.reset();
  max_ = 0;
  count_ = 0;
}

Percentiles LoadHistogram::Summarize() const {
  if (count_ == 0) return {};
  const auto quantile = [this](double share) {
    return bins_->Quantile(share * static_cast<double>(count_), max_);
  };
  return {.count = count_,
          .p50 = quantile(0.5),
          .p90 = quantile(0.9),
          .p99 = quantile(0.99),
          .p999 = quantile(0.999),
          .p9999 = quantile(0.9999),
          .max = max_};
}

}  // namespace causeway::bench
