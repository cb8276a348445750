// A peer: ZeroMQ over ipc://.

#ifndef CAUSEWAY_TESTS_BENCH_ZEROMQ_H_
#define CAUSEWAY_TESTS_BENCH_ZEROMQ_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// PUSH and PULL; with several readers XPUB that does not drop, and SUB. Messages are filled in
// place. One context with one I/O thread in each process.
std::unique_ptr<Transport> MakeZeroMq();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_ZEROMQ_H_
