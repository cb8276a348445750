// Which names streams, agents and jobs may have. One rule for all, part of the wire contract: the
// client applies it before it asks, the coordinator before it believes.
//
// A name is 1 to 255 bytes of valid UTF-8. It contains no '/', is neither "." nor "..", and
// contains no character that would garble a line of a terminal or a log: controls (U+0000-U+001F,
// U+007F- U+009F), line and paragraph separators (U+2028, U+2029) and marks that change the
// direction of text (U+061C, U+200E, U+200F, U+202A-U+202E, U+2066-U+2069). Everything else is
// allowed, spaces included. Names are compared byte by byte: there is no folding of case and no
// normalization.

#ifndef CAUSEWAY_CONTROL_API_NAMES_STREAM_NAME_H_
#define CAUSEWAY_CONTROL_API_NAMES_STREAM_NAME_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace causeway {

// As long as a file name may be.
inline constexpr size_t kMaxNameBytes = 255;

// OK, or InvalidArgument whose message gives the rule that `name` breaks and shows the name,
// escaped and shortened: `stream name "a/b" contains '/' at byte 1`.
absl::Status ValidateStreamName(std::string_view name);
absl::Status ValidateAgentName(std::string_view name);
absl::Status ValidateJobName(std::string_view name);

// `name` in double quotes for a message: bytes other than printable ASCII as \xNN, at most about 64
// characters long, with "..." and the length in bytes if something was left out. For any bytes.
std::string QuotedName(std::string_view name);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_API_NAMES_STREAM_NAME_H_
