// The public options as the wire contract has them, and back.

#ifndef CAUSEWAY_AGENTS_WIRE_H_
#define CAUSEWAY_AGENTS_WIRE_H_

#include "agents/stream_options.h"
#include "control/api/v1/types.pb.h"

namespace causeway {

void ToWire(const StreamOptions& options, v1::StreamOptions& wire);
StreamOptions FromWire(const v1::StreamOptions& wire);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_WIRE_H_
