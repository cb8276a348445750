#include "tests/bench/ratios.h"

#include "gtest/gtest.h"

namespace causeway::bench {
namespace {

Series SeriesOf(std::vector<double> numbers) {
  Series series;
  for (const double number : numbers) {
    series.turns.push_back({.frames_per_second = number, .latency = {.middle = number}});
  }
  return series;
}

TEST(Ratios, MedianIsTheMiddleOrTheMeanOfTwo) {
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 2, 3}), 2.5);
}

TEST(Ratios, AreTakenRoundByRound) {
  const Ratio ratio =
      RatioOf(SeriesOf({10, 200, 3000}), SeriesOf({10, 100, 1000}), Quantity::kRate);
  EXPECT_EQ(ratio.median, 2);
  EXPECT_EQ(ratio.best, 3);
}

TEST(Ratios, BestOfRoundTripsIsTheSmallest) {
  const Ratio ratio = RatioOf(SeriesOf({12, 11, 13}), SeriesOf({10, 10, 10}), Quantity::kRoundTrip);
  EXPECT_EQ(ratio.median, 1.2);
  EXPECT_EQ(ratio.best, 1.1);
}

TEST(Ratios, OfNothingAreZero) {
  EXPECT_EQ(RatioOf(SeriesOf({}), SeriesOf({1}), Quantity::kRate).median, 0);
}

}  // namespace
}  // namespace causeway::bench
