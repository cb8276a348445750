// How two parties that took turns compare.

#ifndef CAUSEWAY_TESTS_BENCH_RATIOS_H_
#define CAUSEWAY_TESTS_BENCH_RATIOS_H_

#include <vector>

#include "tests/bench/rounds.h"

namespace causeway::bench {

// What counts in a comparison.
enum class Quantity {
  kRate,       // frames per second: more is better
  kRoundTrip,  // the mean of the middle half of the round trips: less is better
};

// Of a series of numbers; zero if there are none.
double Median(std::vector<double> numbers);

// One number for each turn.
std::vector<double> Values(const Series& series, Quantity quantity);

// `series` divided by `base`, each turn by that of the same round. Best: the largest for a rate,
// the smallest for a round trip. Zero if either has no turns.
struct Ratio {
  double median = 0;
  double best = 0;
};
Ratio RatioOf(const Series& series, const Series& base, Quantity quantity);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_RATIOS_H_
