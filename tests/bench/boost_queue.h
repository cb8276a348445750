// A peer: Boost.Interprocess.

#ifndef CAUSEWAY_TESTS_BENCH_BOOST_QUEUE_H_
#define CAUSEWAY_TESTS_BENCH_BOOST_QUEUE_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// message_queue: send() and receive(), or try_send() and try_receive() where ends spin.
std::unique_ptr<Transport> MakeBoostQueue();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_BOOST_QUEUE_H_
