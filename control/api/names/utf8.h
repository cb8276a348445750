// Strict decoding of UTF-8.

#ifndef CAUSEWAY_CONTROL_API_NAMES_UTF8_H_
#define CAUSEWAY_CONTROL_API_NAMES_UTF8_H_

#include <cstddef>
#include <string_view>

namespace causeway {

// One decoded character. `bytes` is 0 if there is none.
struct Utf8Character {
  char32_t code_point = 0;
  size_t bytes = 0;  // 1 to 4
};

// Decodes the first character of `text`. Accepts exactly the well-formed sequences of the Unicode
// Standard, table 3-7: no overlong form, no surrogate, nothing above U+10FFFF, nothing cut short.
// Returns `bytes` 0 if `text` is empty or begins with anything else.
Utf8Character DecodeUtf8(std::string_view text);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_API_NAMES_UTF8_H_
