// Ours, without a coordinator: the lanes of mmapcore.

#ifndef CAUSEWAY_TESTS_BENCH_LANE_H_
#define CAUSEWAY_TESTS_BENCH_LANE_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// LaneWriter and LaneReader, with the segments and the capacity that a coordinator would give.
// One writer for each channel.
std::unique_ptr<Transport> MakeLane();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_LANE_H_
