#include "agents/cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::Time At(int64_t ms) { return absl::FromUnixMillis(1'000'000 + ms); }

std::vector<std::string> Lines(const Progress& progress, size_t width = 200) {
  return absl::StrSplit(progress.Render(width), '\n');
}

TEST(Progress, ShowsBytesShareRateAndLag) {
  Progress progress({"producer", "consumer 1"}, 10'000'000);
  progress.Update(0, 0, At(0));
  progress.Update(0, 8'000'000, At(500));
  progress.Update(1, 0, At(0));
  progress.Update(1, 5'000'000, At(500));
  EXPECT_EQ(Lines(progress)[0], "producer      8.00 MB   80 %    16.0 MB/s");
  EXPECT_EQ(Lines(progress)[1], "consumer 1    5.00 MB   50 %    10.0 MB/s  lag   3.00 MB");
}

TEST(Progress, HasNoShareOfAnUnknownTotal) {
  Progress progress({"producer"}, std::nullopt);
  progress.Update(0, 5, At(0));
  EXPECT_EQ(Lines(progress)[0], "producer        5 B        0 B/s");
}

TEST(Progress, AConsumerThatToldLaterThanTheProducerIsNotAhead) {
  Progress progress({"producer", "consumer 1"}, std::nullopt);
  progress.Update(0, 5, At(0));
  progress.Update(1, 9, At(1));
  EXPECT_THAT(Lines(progress)[1], HasSubstr("lag       0 B"));
}

TEST(Progress, DoesNotTakeARateFromAnInstant) {
  Progress progress({"producer"}, std::nullopt);
  progress.Update(0, 0, At(0));
  progress.Update(0, 1'000'000, At(1));
  EXPECT_THAT(Lines(progress)[0], HasSubstr(" 0 B/s"));
}

TEST(Progress, KeepsToTheTerminal) {
  Progress progress({"producer"}, 7);
  EXPECT_EQ(Lines(progress, 5)[0], "produ");
}

TEST(Progress, ReplacesWhatItDrew) {
  Progress progress({"producer", "consumer 1"}, std::nullopt);
  EXPECT_EQ(progress.Erase(), "");
  EXPECT_THAT(progress.Draw(80), StartsWith("producer"));
  EXPECT_THAT(progress.Draw(80), StartsWith("\x1b[2F\x1b[Jproducer"));
  EXPECT_EQ(progress.Erase(), "\x1b[2F\x1b[J");
  EXPECT_EQ(progress.Erase(), "");
}

}  // namespace
}  // namespace causeway
