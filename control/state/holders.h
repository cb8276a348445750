// Who holds what, in words: for the errors of limits.

#ifndef CAUSEWAY_CONTROL_STATE_HOLDERS_H_
#define CAUSEWAY_CONTROL_STATE_HOLDERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "control/state/books.h"

namespace causeway {

// How many holders a message names.
inline constexpr size_t kNamedHolders = 3;

// The largest of `amounts` (session id to amount), `session 5 "camera" 40, session 7 "store" 3`,
// and how many others there are. "nobody" if it is empty.
std::string DescribeHolders(const Books& books, const std::map<uint64_t, uint64_t>& amounts);

// RESOURCE_EXHAUSTED if `session_id` may not write `more` bytes on top:
// max_writable_bytes_per_agent. Names its largest lanes and readers.
absl::Status CheckWritableBytes(const Books& books, uint64_t session_id, uint64_t more);

// RESOURCE_EXHAUSTED if one more lane is too many for the stream or the session.
absl::Status CheckLaneLimits(const Books& books, const records::Stream& stream,
                             uint64_t session_id);
// The same of readers.
absl::Status CheckReaderLimits(const Books& books, const records::Stream& stream,
                               uint64_t session_id);

// RESOURCE_EXHAUSTED if `more` bytes of segments exceed the lane's capacity_bytes. Names the
// readers for which the lane keeps them.
absl::Status CheckLaneCapacity(const Books& books, const records::Lane& lane, uint64_t more);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_HOLDERS_H_
