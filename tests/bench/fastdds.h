// A peer: eProsima Fast DDS.

#ifndef CAUSEWAY_TESTS_BENCH_FASTDDS_H_
#define CAUSEWAY_TESTS_BENCH_FASTDDS_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// Data sharing with a plain type: samples are loaned, filled in place, written, taken and returned,
// without a copy. Reliable, and keeps all: a full pool blocks the writer. Spinning ends call
// take(), parked ones wait for an unread message.
std::unique_ptr<Transport> MakeFastDds();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_FASTDDS_H_
