#include "tests/bench/ratios.h"

#include <algorithm>

namespace causeway::bench {

double Median(std::vector<double> numbers) {
  if (numbers.empty()) return 0;
  std::sort(numbers.begin(), numbers.end());
  const size_t middle = numbers.size() / 2;
  return numbers.size() % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2;
}

std::vector<double> Values(const Series& series, Quantity quantity) {
  std::vector<double> values;
  for (const Turn& turn : series.turns) {
    values.push_back(quantity == Quantity::kRate ? turn.frames_per_second : turn.latency.middle);
  }
  return values;
}

Ratio RatioOf(const Series& series, const Series& base, Quantity quantity) {
  const std::vector<double> ours = Values(series, quantity);
  const std::vector<double> theirs = Values(base, quantity);
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    if (theirs[i] > 0) ratios.push_back(ours[i] / theirs[i]);
  }
  if (ratios.empty()) return {};
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  const double best = quantity == Quantity::kRate ? *most : *least;
  return {.median = Median(ratios), .best = best};
}

}  // namespace causeway::bench
