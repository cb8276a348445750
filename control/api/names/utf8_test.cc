#include "control/api/names/utf8.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace causeway {
namespace {

// An encoder written from the definition, against which every code point is checked.
std::string Encode(uint32_t c) {
  const auto tail = [c](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

TEST(DecodeUtf8, DecodesEveryCodePointButSurrogatesAndNoPrefixOfOne) {
  for (uint32_t c = 0; c <= 0x1fffff; ++c) {
    const std::string text = Encode(c);
    const Utf8Character got = DecodeUtf8(text + "x");
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
      ASSERT_EQ(got.bytes, 0u) << std::hex << c;
      continue;
    }
    ASSERT_EQ(got.bytes, text.size()) << std::hex << c;
    ASSERT_EQ(static_cast<uint32_t>(got.code_point), c);
    for (size_t cut = 0; cut < text.size(); ++cut) {
      ASSERT_EQ(DecodeUtf8(std::string_view(text).substr(0, cut)).bytes, 0u) << std::hex << c;
      if (cut == 0) continue;
      ASSERT_EQ(DecodeUtf8(text.substr(0, cut) + "x").bytes, 0u) << std::hex << c;
    }
  }
}

TEST(DecodeUtf8, RefusesOverlongFormsAndStrayBytes) {
  for (const std::string_view bytes :
       {"\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf",
        "\xf0\x8f\xbf\xbf", "\x80", "\xbf", "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "\xc3\x28",
        "\xe2\x82\x28", "\xf0\x9f\x98\x28"}) {
    EXPECT_EQ(DecodeUtf8(bytes).bytes, 0u) << testing::PrintToString(std::string(bytes));
  }
}

}  // namespace
}  // namespace causeway
