#include "tests/bench/parties.h"

#include "tests/bench/bare_limits.h"
#include "tests/bench/boost_queue.h"
#include "tests/bench/byte_stream.h"
#include "tests/bench/client.h"
#include "tests/bench/fastdds.h"
#include "tests/bench/grpc_stream.h"
#include "tests/bench/iceoryx.h"
#include "tests/bench/lane.h"
#include "tests/bench/ring.h"
#include "tests/bench/zeromq.h"

namespace causeway::bench {
namespace {

using Make = std::unique_ptr<Transport> (*)();

// What was there to build with: see peer_library.bzl.
#ifdef CAUSEWAY_BENCH_BOOST_QUEUE
constexpr Make kMakeBoostQueue = MakeBoostQueue;
#else
constexpr Make kMakeBoostQueue = nullptr;
#endif
#ifdef CAUSEWAY_BENCH_FASTDDS
constexpr Make kMakeFastDds = MakeFastDds;
#else
constexpr Make kMakeFastDds = nullptr;
#endif
#ifdef CAUSEWAY_BENCH_ICEORYX
constexpr Make kMakeIceoryx = MakeIceoryx;
#else
constexpr Make kMakeIceoryx = nullptr;
#endif
#ifdef CAUSEWAY_BENCH_ZEROMQ
constexpr Make kMakeZeroMq = MakeZeroMq;
#else
constexpr Make kMakeZeroMq = nullptr;
#endif

constexpr Party kParties[] = {
    {.name = "ring",
     .rank = Rank::kLimit,
     .setting = "SPSC ring of fixed slots, as large as the lane's live segments; spins",
     .spinning = false,
     .parked = false,
     .make = MakeRing},
    {.name = "memcpy",
     .rank = Rank::kLimit,
     .setting = "one process copies one frame to all places of as large a window in turn",
     .spinning = false,
     .parked = false,
     .alone = true,
     .make = MakeMemcpy},
    {.name = "cache line",
     .rank = Rank::kLimit,
     .setting = "two words on two cache lines, no payload; spins",
     .throughput = false,
     .parked = false,
     .make = MakePingPong},
    {.name = "futex",
     .rank = Rank::kLimit,
     .setting = "the same words, FUTEX_WAKE after each store, FUTEX_WAIT before each look",
     .throughput = false,
     .spinning = false,
     .make = MakePingPong},
    {.name = "lane",
     .rank = Rank::kOurs,
     .setting = "LaneWriter and LaneReader of mmapcore; segments of 1 MiB, capacity 256 MiB",
     .several_readers = true,
     .make = MakeLane},
    {.name = "client",
     .rank = Rank::kOurs,
     .setting = "Agent, Writer and Reader with a coordinator; its default stream options",
     .several_readers = true,
     .several_writers = true,
     .needs_coordinator = true,
     .make = MakeClient},
    {.name = "pipe",
     .setting = "1 MiB (F_SETPIPE_SZ); a write() per frame, reads of up to 64 KiB",
     .throughput_waiting = Waiting::kPark,
     .make = MakePipe},
    {.name = "unix socket",
     .setting = "SOCK_STREAM, SO_SNDBUF 1 MiB; a write() per frame, reads of up to 64 KiB",
     .throughput_waiting = Waiting::kPark,
     .make = MakeUnixSocket},
    {.name = "iceoryx",
     .setting =
         "loan and publish in place; WAIT_FOR_CONSUMER, BLOCK_PRODUCER, queues of 256 chunks "
         "(64 MiB at most); RouDi without monitoring; take(), parked: WaitSet",
     .package = "iceoryx libiceoryx-posh-dev libiceoryx-hoofs-dev",
     .several_readers = true,
     .several_writers = true,
     .needs_roudi = true,
     .make = kMakeIceoryx},
    {.name = "fastdds",
     .setting = "shared memory transport alone, without fragments; plain type, loan, write, take "
                "and return; "
                "RELIABLE, KEEP_ALL, as large as the lane's live segments (4 to 1024 samples); "
                "data sharing "
                "is off, since it loses samples; take(), parked: wait_for_unread_message()",
     .package = "libfastrtps-dev libfastcdr-dev",
     .several_readers = true,
     .several_writers = true,
     .make = kMakeFastDds},
    {.name = "zeromq",
     .setting = "ipc, PUSH and PULL (XPUB_NODROP and SUB for several readers), zmq_msg filled in "
                "place, high-water marks of 1000, fewer for large frames; no spinning mode",
     .package = "libzmq3-dev",
     .throughput_waiting = Waiting::kPark,
     .spinning = false,
     .several_readers = true,
     .several_writers = true,
     .make = kMakeZeroMq},
    {.name = "boost",
     .setting = "Interprocess message_queue as large as the lane's live segments (4 to 1024 "
                "messages); send() and receive(), spinning: try_send() and try_receive()",
     .package = "libboost-dev",
     .throughput_waiting = Waiting::kPark,
     .several_writers = true,
     .make = kMakeBoostQueue},
    {.name = "grpc",
     .setting = "a client stream of messages with a bytes field over a Unix socket, synchronous "
                "API, buffer hint while more follow; no spinning mode",
     .throughput_waiting = Waiting::kPark,
     .spinning = false,
     .make = MakeGrpcStream},
};

}  // namespace

std::span<const Party> Parties() { return kParties; }

const Party* FindParty(std::string_view name) {
  for (const Party& party : kParties) {
    if (party.name == name) return &party;
  }
  return nullptr;
}

}  // namespace causeway::bench
