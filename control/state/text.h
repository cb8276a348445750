// Texts that agents and operators send, cut to what is kept of them.

#ifndef CAUSEWAY_CONTROL_STATE_TEXT_H_
#define CAUSEWAY_CONTROL_STATE_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace causeway {

// Reasons, failures and labels are kept up to this length.
inline constexpr size_t kMaxTextBytes = 1024;

// At most kMaxTextBytes of `text`, which is valid UTF-8, without cutting a character in two.
inline std::string CutText(std::string_view text) {
  if (text.size() <= kMaxTextBytes) return std::string(text);
  size_t size = kMaxTextBytes;
  // Bytes 10xxxxxx continue a character.
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return std::string(text.substr(0, size));
}

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_TEXT_H_
