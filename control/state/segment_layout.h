// How long segments are, and where they may stand in their file.

#ifndef CAUSEWAY_CONTROL_STATE_SEGMENT_LAYOUT_H_
#define CAUSEWAY_CONTROL_STATE_SEGMENT_LAYOUT_H_

#include <cstdint>

#include "control/api/v1/types.pb.h"
#include "control/state/limits.h"

namespace causeway {

// The offset of a segment of `length` bytes is to be a multiple of this: of a huge page, if it is
// made of whole ones, else of a page.
uint64_t SegmentAlignment(const Limits& limits, v1::Durability durability, uint64_t length);

// What a segment that needs `length` bytes should have: whole huge pages, if it is longer than one.
uint64_t FullSegmentBytes(const Limits& limits, v1::Durability durability, uint64_t length);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_SEGMENT_LAYOUT_H_
