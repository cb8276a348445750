// Waiting for frames on several lanes at once.

#ifndef CAUSEWAY_MMAPCORE_WAIT_SET_H_
#define CAUSEWAY_MMAPCORE_WAIT_SET_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/doorbell_watch.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/spin_budget.h"
#include "mmapcore/unique_fd.h"
#include "mmapcore/wait_mode.h"

namespace causeway {

struct WaitSetOptions {
  WaitMode mode = WaitMode::kAdaptive;
  // Of kAdaptive: the longest spin before parking, in nanoseconds. The set adapts within it: a spin
  // that found something allows longer ones, one that did not makes the next shorter, down to a few
  // looks. 0: park at once. Spinning pays only while the writer runs on another core.
  int64_t max_spin_nanos = 20'000;
};

// What ended a wait.
enum class WaitResult : uint8_t {
  kReady,      // at least one reader has something to say: call TryNext() on each
  kAttention,  // attention() was raised since the last wait that returned this
  kTimedOut,
};

// The readers that one thread waits for. That thread alone may use it, except for attention().
//
// It waits in WaitUntil(), or in an event loop of its own:
//
//   int fd = *set.Descriptor();                   // once; epoll_ctl(..., EPOLLIN, fd)
//   while (true) {
//     while (TryNext() on the readers gives frames) ...;
//     set.Arm();
//     epoll_wait(...);
//   }
class WaitSet {
 public:
  explicit WaitSet(const WaitSetOptions& options = {});
  ~WaitSet();
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  // The reader must be removed, or the set destroyed, before the reader is.
  void Add(LaneReader* reader);
  void Remove(LaneReader* reader);

  // Waits until a reader is Ready(), attention is raised, or the deadline passes: as the mode says,
  // spinning, parked in the kernel, where an idle lane costs nothing, or first one and then the
  // other. Readers that have said kEnded or kDamaged are ignored; a set without readers waits for
  // attention. The first wait that parks with more than 127 readers starts a thread for each
  // further 127; where none can be started, those readers are looked at once per millisecond.
  WaitResult WaitUntil(Deadline deadline);

  // A descriptor for poll, epoll and their like, which belongs to the set and is the same at every
  // call. It is not readable until Arm() was called; it is to be polled for reading, level- or
  // edge-triggered, and neither read nor written.
  //
  // ResourceExhausted: no descriptor is left.
  absl::StatusOr<int> Descriptor();

  // From now on the descriptor is readable once a reader is Ready() or attention is raised, and
  // stays so until the next Arm(). If that is the case already, it is readable at once: no wake is
  // lost between a last look and Arm(). It may be readable without a cause. Call it when TryNext()
  // finds nothing on any reader, before each return to the event loop; a set that is not armed
  // again says nothing. Costs a process barrier, some 20 us, and does not block. The first call
  // starts a thread for each 127 readers; they sleep in the kernel until a doorbell is rung.
  //
  // ResourceExhausted: no descriptor, or no thread; the descriptor says nothing.
  absl::Status Arm();

  // Spares writers their looks at an armed set whose owner is awake. Optional; WaitUntil() and
  // Arm() do it as well. The descriptor stays as it is.
  void Disarm() {
    if (armed_) Unpark();
  }

  // For other threads: wakes the one that waits.
  Attention& attention() { return attention_; }

  // How often this set has slept in the kernel.
  uint64_t parks() const { return parks_; }

 private:
  bool AnyReady() const;
  // What ends a spin.
  bool AnyNews() const { return AnyReady() || attention_.count() != attention_seen_; }
  // Wakes writers that wait for a cursor: they would wait for as long as we do. Before a sleep,
  // also tells those that do not look for sleepers.
  void RingWriters(bool to_sleep);
  // Looks for a while; of kSpin.
  void SpinOn();
  void Park(Deadline deadline);
  // Says in every cursor that this set sleeps, and looks at the doorbells: words_ has them behind
  // attention's word, which must still be `attention_seen_`. True if the barrier came from the
  // kernel: then the first look after it misses nothing that will not ring.
  bool SayParked();
  void Unpark();
  // Lets other threads watch the doorbells that one system call does not take. False: there are no
  // such, or no thread.
  bool Delegate();
  void StopWatching();
  void MakeReadable();

  const WaitSetOptions options_;
  std::vector<LaneReader*> readers_;
  std::vector<WaitedWord> words_;  // of one park; kept for its memory
  Attention attention_;
  uint32_t attention_seen_ = 0;
  SpinBudget budget_;
  uint64_t parks_ = 0;

  Attention told_;  // raised by `watch_`
  std::unique_ptr<DoorbellWatch> watch_;

  UniqueFd event_;
  bool armed_ = false;
  std::unique_ptr<DoorbellWatch> event_watch_;  // makes event_ readable
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_WAIT_SET_H_
