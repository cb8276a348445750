// The limit of throughput: a raw ring of fixed slots.

#ifndef CAUSEWAY_TESTS_BENCH_RING_H_
#define CAUSEWAY_TESTS_BENCH_RING_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// One producer and one consumer that spin over a ring in shared memory, as large as the window:
// no names, lengths, bounds, several readers, rolls or recovery.
std::unique_ptr<Transport> MakeRing();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_RING_H_
