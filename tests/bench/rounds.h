// Parties in turn, several rounds.

#ifndef CAUSEWAY_TESTS_BENCH_ROUNDS_H_
#define CAUSEWAY_TESTS_BENCH_ROUNDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/job.h"
#include "tests/bench/parties.h"
#include "tests/bench/services.h"
#include "tests/bench/shape.h"

namespace causeway::bench {

struct RoundsOptions {
  int rounds = 5;
  double seconds = 0.1;  // of each party's turn in a round
  bool pinned = true;
};

// One party's turn.
struct Turn {
  double frames_per_second = 0;  // of all sources together; round trips, where it is these
  Percentiles latency;           // of round trips
};

// One party in one comparison.
struct Series {
  const Party* party = nullptr;
  std::string failure;  // empty: it went well
  std::vector<Turn> turns;
  uint64_t live_bytes = 0;  // of memory that the frames pass through; 0: not known
  // In steady state, for a million frames, the process of the first post and that of the last;
  // negative: not counted. System calls are those of the thread that does the work.
  double faults_first = -1;
  double faults_last = -1;
  double calls_first = -1;
  double calls_last = -1;
};

struct Comparison {
  std::string measure;  // "throughput", ...
  Shape shape;
  Waiting waiting = Waiting::kSpin;
  bool party_waits_as_it_likes = false;  // Party::throughput_waiting instead of `waiting`
  size_t frame_bytes = 0;
};

// Measures the parties, in this order in each round. Ours that knows its live_bytes comes first in
// making ready, and the limits get windows of that size. A party that fails is named and left out
// from then on; so is one that does not do the shape. `say` is told what goes on, for a display.
std::vector<Series> RunRounds(const Comparison& comparison, std::span<const Party* const> parties,
                              const Services& services, const RoundsOptions& options,
                              const std::function<void(std::string_view)>& say);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_ROUNDS_H_
