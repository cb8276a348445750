// Limits that have no frames at all.

#ifndef CAUSEWAY_TESTS_BENCH_BARE_LIMITS_H_
#define CAUSEWAY_TESTS_BENCH_BARE_LIMITS_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// The round trip: two words on two cache lines. As the channels' waiting says, the ends spin over
// them, or sleep on them with FUTEX_WAIT and are woken with FUTEX_WAKE.
std::unique_ptr<Transport> MakePingPong();

// memcpy() of frames to places in turn in a window, by one process that is its own producer and
// consumer of nothing.
std::unique_ptr<Transport> MakeMemcpy();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_BARE_LIMITS_H_
