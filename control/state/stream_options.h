// Which options a stream may have, and what a zero means.

#ifndef CAUSEWAY_CONTROL_STATE_STREAM_OPTIONS_H_
#define CAUSEWAY_CONTROL_STATE_STREAM_OPTIONS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "control/api/v1/types.pb.h"
#include "control/state/limits.h"

namespace causeway {

// A segment's header page and one page of frames, in bytes.
uint64_t SmallestSegmentBytes();

// The segment that a frame of max_frame_bytes needs, in whole pages. At most 1 GiB counts.
uint64_t SegmentBytesOfLargestFrame(const v1::StreamOptions& options);

// `options` with the zeros filled in, the given values untouched: a default bends where a given
// value leaves no room for it.
//
// What holds of the result: segment_bytes and capacity_bytes are whole pages; a segment is not
// below SmallestSegmentBytes(); the capacity holds two segments, so that a writer always has the
// next one, and beside them the largest frame's own segment if it does not fit into an ordinary
// one.
//
// INVALID_ARGUMENT: a rule is broken; the message has the values and what would be right.
// RESOURCE_EXHAUSTED: a limit is met.
absl::StatusOr<v1::StreamOptions> CompleteStreamOptions(const v1::StreamOptions& options,
                                                        const Limits& limits);

// True if every option of `asked` that is not zero, or false, is the one `in_force`.
bool AgreesWith(const v1::StreamOptions& asked, const v1::StreamOptions& in_force);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_STREAM_OPTIONS_H_
