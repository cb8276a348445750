// Who takes part.

#ifndef CAUSEWAY_TESTS_BENCH_PARTIES_H_
#define CAUSEWAY_TESTS_BENCH_PARTIES_H_

#include <memory>
#include <span>
#include <string_view>

#include "tests/bench/channel.h"
#include "tests/bench/transport.h"

namespace causeway::bench {

enum class Rank {
  kLimit,  // what the machine can do, without anything that makes it usable
  kOurs,
  kPeer,
};

struct Party {
  std::string_view name;
  Rank rank = Rank::kPeer;
  std::string_view setting;  // how it is used, and what it is told
  std::string_view package;  // Debian's, beyond those that every build needs; empty: none
  // How it waits when throughput counts.
  bool throughput = true;
  Waiting throughput_waiting = Waiting::kSpin;
  // Whether it can wait so for the answer of a round trip.
  bool spinning = true;
  bool parked = true;
  bool several_readers = false;
  bool several_writers = false;
  bool alone = false;  // one process does it all
  bool needs_coordinator = false;
  bool needs_roudi = false;
  std::unique_ptr<Transport> (*make)() = nullptr;  // null: its package was not there to build with
};

// In the order in which they take their turns: limits, ours, peers.
std::span<const Party> Parties();

// Null: none of that name.
const Party* FindParty(std::string_view name);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_PARTIES_H_
