#include "agents/cli/latency.h"

#include <gtest/gtest.h>

namespace causeway {
namespace {

TEST(LatencyRecorder, NothingRecordedIsAllZero) {
  const LatencySummary summary = LatencyRecorder().Summarize();
  EXPECT_EQ(summary.count, 0u);
  EXPECT_EQ(summary.samples, 0u);
  EXPECT_EQ(summary.p50_ns, 0);
  EXPECT_EQ(summary.max_ns, 0);
}

TEST(LatencyRecorder, OneSampleIsEveryPercentile) {
  LatencyRecorder recorder;
  recorder.Record(42);
  const LatencySummary summary = recorder.Summarize();
  EXPECT_EQ(summary.p50_ns, 42);
  EXPECT_EQ(summary.p99_ns, 42);
  EXPECT_EQ(summary.p999_ns, 42);
  EXPECT_EQ(summary.max_ns, 42);
}

TEST(LatencyRecorder, PercentilesAreExactBelowTheCap) {
  LatencyRecorder recorder;
  for (int64_t i = 1000; i >= 1; --i) recorder.Record(i);
  const LatencySummary summary = recorder.Summarize();
  EXPECT_EQ(summary.count, 1000u);
  EXPECT_EQ(summary.samples, 1000u);
  EXPECT_EQ(summary.p50_ns, 500);
  EXPECT_EQ(summary.p99_ns, 990);
  EXPECT_EQ(summary.p999_ns, 999);
  EXPECT_EQ(summary.max_ns, 1000);
}

TEST(LatencyRecorder, KeepsNegativeDurationsAsTheyAre) {
  LatencyRecorder recorder;
  recorder.Record(-5);
  EXPECT_EQ(recorder.Summarize().max_ns, -5);
  EXPECT_EQ(recorder.Summarize().p50_ns, -5);
}

TEST(LatencyRecorder, SamplesUniformlyAboveTheCap) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    LatencyRecorder recorder(/*max_samples=*/10'000, seed);
    for (int64_t i = 0; i < 1'000'000; ++i) recorder.Record(i);
    const LatencySummary summary = recorder.Summarize();
    EXPECT_EQ(summary.count, 1'000'000u);
    EXPECT_EQ(summary.samples, 10'000u);
    EXPECT_NEAR(summary.p50_ns, 500'000, 30'000);  // Six standard deviations.
    EXPECT_NEAR(summary.p99_ns, 990'000, 6'000);
    EXPECT_EQ(summary.max_ns, 999'999);
  }
}

}  // namespace
}  // namespace causeway
