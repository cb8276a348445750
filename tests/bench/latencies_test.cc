#include "tests/bench/latencies.h"

#include "gtest/gtest.h"

namespace causeway::bench {
namespace {

TEST(Latencies, PercentilesAreExact) {
  Latencies latencies;
  latencies.Reserve(10'000);
  for (int64_t i = 10'000; i > 0; --i) latencies.Record(i);
  const Percentiles percentiles = latencies.Summarize(2.0);
  EXPECT_EQ(percentiles.count, 10'000u);
  EXPECT_EQ(percentiles.p50, 10'000);
  EXPECT_EQ(percentiles.p99, 19'800);
  EXPECT_EQ(percentiles.p9999, 19'998);
  EXPECT_EQ(percentiles.max, 20'000);
}

TEST(Latencies, TheMiddleLeavesOutliersOut) {
  Latencies latencies;
  latencies.Reserve(8);
  for (const int64_t duration : {0, 0, 10, 10, 10, 20, 1'000'000, 1'000'000}) {
    latencies.Record(duration);
  }
  EXPECT_EQ(latencies.Summarize(1.0).middle, 12.5);
}

TEST(Latencies, OfNothingAreZero) {
  EXPECT_EQ(Latencies().Summarize(1.0).count, 0u);
  Latencies forgotten;
  forgotten.Reserve(1);
  forgotten.Record(5);
  forgotten.Forget();
  EXPECT_EQ(forgotten.Summarize(1.0).p50, 0);
}

}  // namespace
}  // namespace causeway::bench
