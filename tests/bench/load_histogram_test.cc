#include "tests/bench/load_histogram.h"

#include "gtest/gtest.h"

namespace causeway::bench {
namespace {

#ifdef CAUSEWAY_BENCH_LOAD_HISTOGRAM

TEST(LoadHistogram, IsRightWithinOnePerCent) {
  LoadHistogram histogram;
  for (int64_t nanos = 100; nanos < 100 + 1'000'000; ++nanos) histogram.Record(nanos);
  const Percentiles percentiles = histogram.Summarize();
  EXPECT_EQ(percentiles.count, 1'000'000u);
  EXPECT_NEAR(percentiles.p50, 500'100, 5'001);
  EXPECT_NEAR(percentiles.p99, 990'100, 9'901);
  EXPECT_NEAR(percentiles.p9999, 1'000'000, 10'000);
  EXPECT_EQ(percentiles.max, 1'000'099);
}

TEST(LoadHistogram, NeverSaysMoreThanTheMaximum) {
  LoadHistogram histogram;
  histogram.Record(1234);
  EXPECT_EQ(histogram.Summarize().p50, 1234);
  EXPECT_EQ(histogram.Summarize().p9999, 1234);
}

TEST(LoadHistogram, TakesWhatIsBelowAndAboveItsBins) {
  LoadHistogram histogram;
  histogram.Record(0);
  histogram.Record(0);
  histogram.Record(int64_t{1} << 62);
  EXPECT_NEAR(histogram.Summarize().p50, 10, 0.2);
  EXPECT_EQ(histogram.Summarize().max, static_cast<double>(int64_t{1} << 62));
}

TEST(LoadHistogram, Forgets) {
  LoadHistogram histogram;
  histogram.Record(1000);
  histogram.Forget();
  EXPECT_EQ(histogram.Summarize().count, 0u);
  EXPECT_EQ(histogram.Summarize().p99, 0);
}

#endif

}  // namespace
}  // namespace causeway::bench
