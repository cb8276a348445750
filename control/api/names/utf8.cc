#include "control/api/names/utf8.h"

#include <cstdint>

namespace causeway {

Utf8Character DecodeUtf8(std::string_view text) {
  if (text.empty()) return {};
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {.code_point = lead, .bytes = 1};

  // The lead byte gives the length and the least code point that needs this length.
  size_t bytes = 0;
  char32_t code_point = 0;
  char32_t least = 0;
  if ((lead & 0xe0) == 0xc0) {
    bytes = 2, code_point = lead & 0x1f, least = 0x80;
  } else if ((lead & 0xf0) == 0xe0) {
    bytes = 3, code_point = lead & 0x0f, least = 0x800;
  } else if ((lead & 0xf8) == 0xf0) {
    bytes = 4, code_point = lead & 0x07, least = 0x10000;
  } else {
    return {};
  }
  if (text.size() < bytes) return {};
  for (size_t i = 1; i < bytes; ++i) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xc0) != 0x80) return {};
    code_point = code_point << 6 | (byte & 0x3f);
  }
  const bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < least || code_point > 0x10ffff || is_surrogate) return {};
  return {.code_point = code_point, .bytes = bytes};
}

}  // namespace causeway
