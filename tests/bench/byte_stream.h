// Peers that carry bytes in order: a pipe and a Unix socket.

#ifndef CAUSEWAY_TESTS_BENCH_BYTE_STREAM_H_
#define CAUSEWAY_TESTS_BENCH_BYTE_STREAM_H_

#include <memory>

#include "tests/bench/transport.h"

namespace causeway::bench {

// A pipe of 1 MiB, the most that the kernel gives to all. One write() for each frame; a read()
// takes as many as there are. Spinning ends use O_NONBLOCK.
std::unique_ptr<Transport> MakePipe();

// The same over a pair of Unix stream sockets with send buffers of 1 MiB.
std::unique_ptr<Transport> MakeUnixSocket();

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_BYTE_STREAM_H_
