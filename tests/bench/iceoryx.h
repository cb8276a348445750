// A peer: Eclipse iceoryx.

#ifndef CAUSEWAY_TESTS_BENCH_ICEORYX_H_
#define CAUSEWAY_TESTS_BENCH_ICEORYX_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// Chunks are loaned, filled in place, published, taken and released. Nothing is lost: a full queue
// blocks the publisher. Spinning ends call take(), parked ones wait on a WaitSet. Needs RouDi.
std::unique_ptr<Transport> MakeIceoryx();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_ICEORYX_H_
