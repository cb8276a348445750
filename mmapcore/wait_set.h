// Waiting for frames on several lanes at once.

#ifndef CAUSEWAY_MMAPCORE_WAIT_SET_H_
#define CAUSEWAY_MMAPCORE_WAIT_SET_H_

#include <cstdint>
#include <vector>

#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/lane_reader.h"

namespace causeway {

struct WaitSetOptions {
  // The longest spin before parking, in nanoseconds. The set adapts within it: a spin that found
  // something allows longer ones, one that did not makes the next shorter, down to a few looks. 0:
  // park at once. Spinning pays only while the writer runs on another core.
  int64_t max_spin_nanos = 20'000;
};

// What ended a wait.
enum class WaitResult : uint8_t {
  kReady,      // at least one reader has something to say: call TryNext() on each
  kAttention,  // attention() was raised since the last wait that returned this
  kTimedOut,
};

// The readers that one thread waits for. That thread alone may use it, except for attention().
class WaitSet {
 public:
  explicit WaitSet(const WaitSetOptions& options = {});
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  // The reader must be removed, or the set destroyed, before the reader is.
  void Add(LaneReader* reader);
  void Remove(LaneReader* reader);

  // Waits until a reader is Ready(), attention is raised, or the deadline passes: first spinning,
  // then parked in the kernel, where an idle lane costs nothing. With more than 127 readers the
  // others are looked at once per millisecond. Readers that have said kEnded or kDamaged are
  // ignored; a set without readers waits for attention.
  WaitResult WaitUntil(Deadline deadline);

  // For other threads: wakes the one that waits.
  Attention& attention() { return attention_; }

  // How often this set has slept in the kernel.
  uint64_t parks() const { return parks_; }

 private:
  bool AnyReady() const;
  // True if something to look at turned up.
  bool Spin(Deadline deadline);
  void Park(Deadline deadline);
  // Whether a doorbell, or attention, is not what it was when this park began.
  bool Changed() const;

  const WaitSetOptions options_;
  std::vector<LaneReader*> readers_;
  std::vector<WaitedWord> words_;  // of one park; kept for its memory
  Attention attention_;
  uint32_t attention_seen_ = 0;
  int64_t spin_nanos_;
  uint64_t parks_ = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_WAIT_SET_H_
