// Writers and readers in one process, for counting what a frame costs each.

#ifndef CAUSEWAY_TESTS_BENCH_COST_ENDS_H_
#define CAUSEWAY_TESTS_BENCH_COST_ENDS_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"

namespace causeway::bench {

inline constexpr size_t kCostFrameBytes = 64;

// Streams, each with one writer and readers of its own. Not thread-safe.
class CostEnds {
 public:
  virtual ~CostEnds() = default;

  // Writes `frames` to each of the first `streams` streams, in turn. False: there was no room.
  virtual bool Write(size_t streams, size_t frames) = 0;
  // The first reader of each reads as many. False: a frame was missing.
  virtual bool Read(size_t streams, size_t frames) = 0;
  // All readers of these streams read what is left, and publish that they have.
  virtual bool CatchUp(size_t streams) = 0;
  // Removes the files, for a process that ends without closing a stream. Nothing else is to be
  // called afterwards.
  virtual void Abandon() = 0;
};

// LaneWriter and LaneReader; files are memfds.
std::unique_ptr<CostEnds> MakeLaneEnds(size_t streams, size_t readers);

// Writer and Reader of the client library, with a coordinator in this process whose limits they
// fit; one reader each. Errors: as those of Coordinator::Start() and Agent.
absl::StatusOr<std::unique_ptr<CostEnds>> MakeClientEnds(size_t streams);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_COST_ENDS_H_
