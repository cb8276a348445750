// A writer and readers that go on and on, and count what their threads had to wait for.

#ifndef CAUSEWAY_TESTS_BENCH_STEADY_ENDS_H_
#define CAUSEWAY_TESTS_BENCH_STEADY_ENDS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "mmapcore/wait_mode.h"

namespace causeway::bench {

// What the thread of one end has met so far. It stores them ten times a second; all relaxed:
// numbers for people.
struct ThreadCounts {
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> page_faults{0};
  std::atomic<int64_t> system_calls{0};  // -1: nobody may count them
};

// In memory that the processes and their parent share.
struct SteadyCounts {
  ThreadCounts writer;
  // Claims that found no room at once, by what was missing: a segment that the coordinator had yet
  // to grant, or only readers that had to leave one, since the lane had all that it may have.
  std::atomic<uint64_t> waits_for_grants{0};
  std::atomic<uint64_t> waits_for_readers{0};
  std::atomic<uint64_t> waited_nanos{0};  // in all of them
  std::atomic<uint64_t> segments_granted{0};
  std::atomic<uint64_t> rolls{0};
  ThreadCounts reader;              // the first one
  std::atomic<uint64_t> pauses{0};  // of all readers
  std::atomic<bool> stop{false};    // the parent's
};

struct SteadyOptions {
  std::string coordinator_dir;
  std::string stream;
  size_t frame_bytes = 0;  // whole words
  size_t readers = 1;
  WaitMode wait_mode = WaitMode::kSpin;  // of the writer and the readers
  // A reader stands still for `pause_nanos` in each `cycle_nanos`; 0: never.
  int64_t pause_nanos = 0;
  int64_t cycle_nanos = 0;
};

// Each is one process's work: attaches, does it until `stop`, detaches.
absl::Status WriteSteadily(const SteadyOptions& options, SteadyCounts& counts);
// `thread`: where it counts; null: it does not.
// DataLoss: a frame was lost, repeated, changed or misplaced.
absl::Status ReadSteadily(const SteadyOptions& options, SteadyCounts& counts, ThreadCounts* thread);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_STEADY_ENDS_H_
