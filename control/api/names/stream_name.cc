#include "control/api/names/stream_name.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "control/api/names/utf8.h"

namespace causeway {
namespace {

constexpr size_t kQuotedBytes = 64;

// A control, a separator of lines, or a mark that changes the direction of text.
bool GarblesALine(char32_t c) {
  return c <= 0x1f || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || c == 0x061c ||
         c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

absl::Status ValidateName(absl::string_view kind, std::string_view name) {
  const auto refuse = [&](const auto&... rule) {
    return absl::InvalidArgumentError(absl::StrCat(kind, " name ", QuotedName(name), rule...));
  };
  if (name.empty()) return refuse(" is empty; give 1 to ", kMaxNameBytes, " bytes");
  if (name.size() > kMaxNameBytes) {
    return refuse(" is longer than the limit of ", kMaxNameBytes, " bytes");
  }
  if (name == "." || name == "..")
    return refuse(" is reserved: neither \".\" nor \"..\" is a name");
  for (size_t i = 0; i < name.size();) {
    const Utf8Character character = DecodeUtf8(name.substr(i));
    if (character.bytes == 0) return refuse(" is not valid UTF-8 at byte ", i);
    const char32_t c = character.code_point;
    if (c == '/') return refuse(" contains '/' at byte ", i);
    if (c == 0) return refuse(" contains a NUL at byte ", i);
    if (GarblesALine(c)) {
      return refuse(absl::StrFormat(
          " contains U+%04X at byte %d; controls and marks of lines or direction are not allowed",
          static_cast<uint32_t>(c), i));
    }
    i += character.bytes;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateStreamName(std::string_view name) { return ValidateName("stream", name); }

absl::Status ValidateAgentName(std::string_view name) { return ValidateName("agent", name); }

absl::Status ValidateJobName(std::string_view name) { return ValidateName("job", name); }

std::string QuotedName(std::string_view name) {
  const auto escape = [](std::string_view bytes) {
    return absl::CHexEscape(absl::string_view(bytes.data(), bytes.size()));
  };
  if (name.size() <= kQuotedBytes) return absl::StrCat("\"", escape(name), "\"");
  return absl::StrCat("\"", escape(name.substr(0, kQuotedBytes)), "...\" (", name.size(),
                      " bytes)");
}

}  // namespace causeway
