// Ours, as users have it: the client library and a coordinator.

#ifndef CAUSEWAY_TESTS_BENCH_CLIENT_H_
#define CAUSEWAY_TESTS_BENCH_CLIENT_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// Agents of the coordinator that the channels name, one in each process; a channel is a stream with
// the coordinator's default options.
std::unique_ptr<Transport> MakeClient();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_CLIENT_H_
