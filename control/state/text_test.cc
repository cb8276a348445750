#include "control/state/text.h"

#include <string>

#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(CutText, KeepsWhatIsShort) {
  EXPECT_EQ(CutText(""), "");
  EXPECT_EQ(CutText(std::string(kMaxTextBytes, 'x')).size(), kMaxTextBytes);
}

TEST(CutText, NeverCutsACharacterInTwo) {
  const std::string euro = "\xE2\x82\xAC";
  std::string text;
  while (text.size() < 2 * kMaxTextBytes) text += euro;
  for (size_t before = 0; before < 3; ++before) {
    const std::string cut = CutText(std::string(before, 'x') + text);
    EXPECT_LE(cut.size(), kMaxTextBytes);
    EXPECT_GT(cut.size(), kMaxTextBytes - 3);
    EXPECT_EQ((cut.size() - before) % 3, 0u);
  }
}

}  // namespace
}  // namespace causeway
