#include "agents/cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace causeway {
namespace {

using testing::HasSubstr;

TextTable TwoStreams() {
  TextTable table({{"NAME", Column::Kind::kLongText}, {"BYTES", Column::Kind::kNumber}});
  table.AddRow({"camera", "5"});
  table.AddRow({std::string(100, 'n'), "1,234"});
  return table;
}

TEST(TextTable, AlignsNumbersToTheRight) {
  TextTable table({{"NAME"}, {"BYTES", Column::Kind::kNumber}});
  table.AddRow({"camera", "5"});
  table.AddRow({"lidar", "1,234"});
  EXPECT_EQ(table.Render(0), "NAME   BYTES\ncamera     5\nlidar  1,234\n");
}

TEST(TextTable, CutsLongTextToTheTerminal) {
  const std::vector<std::string> lines = absl::StrSplit(TwoStreams().Render(40), '\n');
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 40u) << line;
  }
  EXPECT_THAT(TwoStreams().Render(40), HasSubstr("1,234"));
}

TEST(TextTable, CutsNothingWithoutATerminal) {
  EXPECT_THAT(TwoStreams().Render(0), HasSubstr(std::string(100, 'n')));
}

TEST(TextTable, ControlCharactersDoNotReachTheTerminal) {
  TextTable table({{"NAME"}});
  table.AddRow({"a\x1b[31mb\nc"});
  const std::string text = table.Render(80);
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
}

TEST(TextTable, OfNothingIsEmptyOrItsTitles) {
  EXPECT_LE(TextTable({{"NAME"}}).Render(80).size(), 5u);
}

TEST(HumanBytes, HasThreeDigits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.00 kB");
  EXPECT_EQ(HumanBytes(12'345), "12.3 kB");
  EXPECT_EQ(HumanBytes(999'999), "1.00 MB");
  EXPECT_EQ(HumanBytes(1'073'741'824), "1.07 GB");
}

TEST(HumanDuration, HasThreeDigits) {
  EXPECT_EQ(HumanDuration(0), "0 ns");
  EXPECT_EQ(HumanDuration(512), "512 ns");
  EXPECT_EQ(HumanDuration(12'345), "12.3 us");
  EXPECT_EQ(HumanDuration(1.5e12), "1500 s");
  EXPECT_EQ(HumanDuration(-2000), "-2.00 us");
}

TEST(GroupDigits, PutsACommaBeforeEachThree) {
  EXPECT_EQ(GroupDigits(0), "0");
  EXPECT_EQ(GroupDigits(999), "999");
  EXPECT_EQ(GroupDigits(1000), "1,000");
  EXPECT_EQ(GroupDigits(18446744073709551615u), "18,446,744,073,709,551,615");
}

}  // namespace
}  // namespace causeway
