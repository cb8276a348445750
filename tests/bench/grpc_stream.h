// A peer: gRPC.

#ifndef CAUSEWAY_TESTS_BENCH_GRPC_STREAM_H_
#define CAUSEWAY_TESTS_BENCH_GRPC_STREAM_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// A client stream over a Unix socket; the reading end is the server. Messages that more will follow
// are written with a buffer hint, so that gRPC may send several at once.
std::unique_ptr<Transport> MakeGrpcStream();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_GRPC_STREAM_H_
