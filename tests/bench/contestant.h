// One party in one comparison: its crew, and what it is given to do.

#ifndef CAUSEWAY_TESTS_BENCH_CONTESTANT_H_
#define CAUSEWAY_TESTS_BENCH_CONTESTANT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/channel.h"
#include "tests/bench/crew.h"
#include "tests/bench/job.h"
#include "tests/bench/parties.h"
#include "tests/bench/services.h"
#include "tests/bench/shape.h"

namespace causeway::bench {

// Not thread-safe. Once a function has failed, failure() says why and no other may be called.
class Contestant {
 public:
  // One of a party's turns, or what leads to them.
  struct Outcome {
    double seconds = 0;              // from the first process's beginning to the last one's end
    std::vector<JobResult> results;  // of the posts, in order
  };

  // A party that needs no other process does what it does alone, whatever the shape.
  Contestant(const Party& party, const Shape& shape, size_t frame_bytes);

  // Starts the crew.
  void Start(Waiting waiting, const Services& services, uint64_t window_bytes, bool pinned);

  // Warms up, and sets frames() to what takes about `seconds`.
  void Pilot(double seconds);

  // Moves frames() frames from each source, and sets frames() anew for `seconds`. What arrived is
  // compared with what was sent. `job` has what is the same for all posts.
  absl::StatusOr<Outcome> Run(const Job& job, double seconds);

  // Of each source, in a turn.
  uint64_t frames() const { return frames_; }
  void set_frames(uint64_t frames) { frames_ = frames; }

  // Frames per second that an outcome of `frames` frames from each source means, of all sources.
  double Rate(uint64_t frames, const Outcome& outcome) const;

  // Ends the crew.
  void Leave() { crew_.reset(); }

  void Fail(const absl::Status& status);
  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  const Party& party() const { return party_; }
  // Of memory that the frames passed through in the last run; 0: not known.
  uint64_t live_bytes() const { return live_bytes_; }

 private:
  const Party& party_;
  const Shape shape_;
  const size_t frame_bytes_;
  std::unique_ptr<Crew> crew_;
  uint64_t frames_ = 0;
  uint64_t live_bytes_ = 0;
  std::string failure_;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_CONTESTANT_H_
