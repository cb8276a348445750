// The public options as the wire contract has them, and back.

#ifndef CAUSEWAY_AGENTS_WIRE_H_
#define CAUSEWAY_AGENTS_WIRE_H_

#include "agents/stream_options.h"
#include "control/api/v1/types.pb.h"
#include "mmapcore/reader_policy.h"

namespace causeway {

void ToWire(const StreamOptions& options, v1::StreamOptions& wire);
StreamOptions FromWire(const v1::StreamOptions& wire);

v1::ReaderPolicy ToWire(ReaderPolicy policy);
// A value that is not known, or not set, holds: kBlock.
ReaderPolicy FromWire(v1::ReaderPolicy wire);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_WIRE_H_
