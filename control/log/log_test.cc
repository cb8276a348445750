#include "control/log/log.h"

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(Log, WritesPlainValuesAsTheyAre) {
  EXPECT_EQ(FormatLogLine("attached", {{"session", 7}, {"path", "/dev/shm/a-b"}}),
            "event=attached session=7 path=/dev/shm/a-b");
}

TEST(Log, QuotesWhatIsNotOneWord) {
  EXPECT_EQ(FormatLogLine("agent cut off", {{"reason", "too slow"}, {"name", ""}, {"x", "a=b"}}),
            R"(event="agent cut off" reason="too slow" name="" x="a=b")");
}

TEST(Log, LetsNoValueBreakALineOrForgeAField) {
  EXPECT_EQ(FormatLogLine("e", {{"name", "x\nlevel=error \"y\"\x1b[2J"}}),
            R"(event=e name="x\nlevel=error \"y\"\x1b[2J")");
}

TEST(Log, WritesAStatusWithItsCode) {
  EXPECT_EQ(FormatLogLine("e", {{"status", absl::NotFoundError("no such stream")}}),
            R"(event=e status="NOT_FOUND: no such stream")");
}

}  // namespace
}  // namespace causeway
