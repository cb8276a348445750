#include "agents/cli/exchange_worker_options.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace causeway {
namespace {

ExchangeWorkerOptions RoundTrip(const ExchangeWorkerOptions& sent) {
  std::vector<std::string> words = ExchangeWorkerArguments(kExchangeConsumer, sent);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  ExchangeWorkerOptions got;
  const absl::StatusOr<bool> parsed =
      ParseExchangeWorkerArguments(static_cast<int>(argv.size()), argv.data(), got);
  EXPECT_TRUE(parsed.ok() && *parsed) << parsed.status();
  return got;
}

TEST(ExchangeWorkerOptions, SurviveTheWay) {
  const ExchangeWorkerOptions got = RoundTrip({.dir = "/a b",
                                               .stream = "s-1",
                                               .name = "consumer 2",
                                               .input = "--odd=\n",
                                               .consumers = 1,
                                               .frame_bytes = 2,
                                               .segment_bytes = 3,
                                               .capacity_bytes = 4,
                                               .rounds = std::numeric_limits<uint64_t>::max(),
                                               .max_bytes = 5,
                                               .deadline = absl::Milliseconds(1500),
                                               .hash = false});
  EXPECT_EQ(got.dir, "/a b");
  EXPECT_EQ(got.stream, "s-1");
  EXPECT_EQ(got.name, "consumer 2");
  EXPECT_EQ(got.input, "--odd=\n");
  EXPECT_EQ(got.consumers, 1u);
  EXPECT_EQ(got.frame_bytes, 2u);
  EXPECT_EQ(got.segment_bytes, 3u);
  EXPECT_EQ(got.capacity_bytes, 4u);
  EXPECT_EQ(got.rounds, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(got.max_bytes, 5u);
  EXPECT_EQ(got.deadline, absl::Milliseconds(1500));
  EXPECT_FALSE(got.hash);
}

TEST(ExchangeWorkerOptions, ADeadlineMayBeInfinite) {
  EXPECT_EQ(RoundTrip({.deadline = absl::InfiniteDuration()}).deadline, absl::InfiniteDuration());
  EXPECT_TRUE(RoundTrip({.hash = true}).hash);
}

}  // namespace
}  // namespace causeway
