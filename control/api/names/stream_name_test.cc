#include "control/api/names/stream_name.h"

#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Bytes(std::string_view bytes) { return std::string(bytes); }

struct RefusedName {
  const char* title;
  std::string name;
  const char* rule;  // what the message must contain
};

void PrintTo(const RefusedName& refused, std::ostream* os) { *os << refused.title; }

class RefusedNames : public testing::TestWithParam<RefusedName> {};

TEST_P(RefusedNames, GiveTheRule) {
  const RefusedName& refused = GetParam();
  const absl::Status status = ValidateStreamName(refused.name);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr(refused.rule));
  EXPECT_THAT(message, StartsWith("stream name \""));
  EXPECT_LT(message.size(), 400u);
  for (const char c : message) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << "raw byte in: " << message;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, RefusedNames,
    testing::Values(
        RefusedName{"Empty", "", "is empty"}, RefusedName{"Dot", ".", "reserved"},
        RefusedName{"DotDot", "..", "reserved"}, RefusedName{"Slash", "/", "'/' at byte 0"},
        RefusedName{"Escape", "../../etc/passwd", "'/' at byte 2"},
        RefusedName{"TrailingSlash", "a/", "'/' at byte 1"},
        RefusedName{"Nul", std::string(1, '\0'), "a NUL at byte 0"},
        RefusedName{"NulInside", Bytes({"a\0b", 3}), "a NUL at byte 1"},
        RefusedName{"OneTooLong", std::string(256, 'a'), "limit of 255 bytes"},
        RefusedName{"FourKiB", std::string(4096, 'a'), "(4096 bytes)"},
        RefusedName{"FourKiBOfControls", std::string(4096, '\x01'), "limit of 255 bytes"},
        RefusedName{"Newline", "a\nb", "U+000A at byte 1"}, RefusedName{"Tab", "\t", "U+0009"},
        RefusedName{"EscapeSequence", "\x1b[2J", "U+001B at byte 0"},
        RefusedName{"Delete", "a\x7f", "U+007F at byte 1"},
        RefusedName{"C1Control", "a\xc2\x85", "U+0085 at byte 1"},
        RefusedName{"LineSeparator", "a\xe2\x80\xa8", "U+2028"},
        RefusedName{"DirectionOverride",
                    "a\xe2\x80\xae"
                    "txt",
                    "U+202E at byte 1"},
        RefusedName{"DirectionIsolate", "\xe2\x81\xa6", "U+2066"},
        RefusedName{"Latin1", "caf\xe9", "not valid UTF-8 at byte 3"},
        RefusedName{"OverlongSlash", "\xc0\xaf", "not valid UTF-8 at byte 0"},
        RefusedName{"OverlongNul", "a\xc0\x80", "not valid UTF-8 at byte 1"},
        RefusedName{"Surrogate", "\xed\xa0\x80", "not valid UTF-8 at byte 0"},
        RefusedName{"AboveUnicode", "\xf4\x90\x80\x80", "not valid UTF-8 at byte 0"},
        RefusedName{"CutShort", "a\xe2\x82", "not valid UTF-8 at byte 1"},
        RefusedName{"StrayContinuation", "\x80", "not valid UTF-8 at byte 0"},
        RefusedName{"FF", "\xff", "not valid UTF-8 at byte 0"}),
    [](const auto& info) { return std::string(info.param.title); });

TEST(ValidateStreamName, AcceptsEverythingElse) {
  std::string longest;
  while (longest.size() < 255) longest += "\xe2\x82\xac";  // 85 euro signs
  for (const std::string& name :
       {Bytes("a"), Bytes("market-data.eu_1"), Bytes("..."), Bytes(".hidden"), Bytes("a..b"),
        Bytes(" with spaces "), Bytes("-"), Bytes("back\\slash"), Bytes("quo\"te"), Bytes("%2F"),
        Bytes("\xc2\xa0"), Bytes("gr\xc3\xbc\xc3\x9f"), Bytes("\xe6\xb5\x81"),
        Bytes("\xf0\x9f\x8c\x8a"), Bytes("\xf4\x8f\xbf\xbf"), std::string(255, 'a'), longest}) {
    EXPECT_EQ(ValidateStreamName(name), absl::OkStatus()) << QuotedName(name);
  }
}

TEST(ValidateName, SaysWhoseNameItIs) {
  EXPECT_THAT(std::string(ValidateAgentName("a/b").message()),
              StartsWith("agent name \"a/b\" contains '/'"));
  EXPECT_THAT(std::string(ValidateJobName("").message()), StartsWith("job name \"\" is empty"));
}

TEST(QuotedName, EscapesAndShortensAnything) {
  EXPECT_EQ(QuotedName("plain"), "\"plain\"");
  EXPECT_EQ(QuotedName("a\nb\"\xff"), "\"a\\nb\\\"\\xff\"");
  EXPECT_EQ(QuotedName(std::string(64, 'a')), absl::StrCat("\"", std::string(64, 'a'), "\""));
  EXPECT_EQ(QuotedName(std::string(65, 'a')),
            absl::StrCat("\"", std::string(64, 'a'), "...\" (65 bytes)"));
  EXPECT_THAT(QuotedName(std::string(100000, '\0')), Not(HasSubstr(std::string(1, '\0'))));
  EXPECT_LT(QuotedName(std::string(100000, '\xff')).size(), 300u);
}

}  // namespace
}  // namespace causeway
