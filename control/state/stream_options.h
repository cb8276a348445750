// Which options a stream may have, and what a zero means.

#ifndef CAUSEWAY_CONTROL_STATE_STREAM_OPTIONS_H_
#define CAUSEWAY_CONTROL_STATE_STREAM_OPTIONS_H_

#include "absl/status/statusor.h"
#include "control/api/v1/types.pb.h"
#include "control/state/limits.h"

namespace causeway {

// `options` with the zeros filled in, the given values untouched: a default bends where a given
// value leaves no room for it.
//
// What holds of the result: segment_bytes and capacity_bytes are whole pages; a segment has at
// least two pages; the capacity holds two segments, so that a writer always has the next one, and
// beside them the largest frame's own segment if it does not fit into an ordinary one.
//
// INVALID_ARGUMENT: a rule is broken; the message has the values and what would be right.
// RESOURCE_EXHAUSTED: a limit is met.
absl::StatusOr<v1::StreamOptions> CompleteStreamOptions(const v1::StreamOptions& options,
                                                        const Limits& limits);

// True if every option of `asked` that is not zero is the one `in_force`.
bool AgreesWith(const v1::StreamOptions& asked, const v1::StreamOptions& in_force);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_STREAM_OPTIONS_H_
