// What the parent asks of a process, and what it hears: plain bytes over a socket.

#ifndef CAUSEWAY_TESTS_BENCH_JOB_H_
#define CAUSEWAY_TESTS_BENCH_JOB_H_

#include <cstddef>
#include <cstdint>
#include <optional>

namespace causeway::bench {

enum class JobKind : uint32_t {
  kSource,       // writes frames
  kSink,         // reads frames
  kRelay,        // reads frames and writes each on
  kPing,         // writes a frame and reads the answer, again and again
  kEcho,         // reads a frame and writes an answer of its own
  kTimedSource,  // writes frames at their times, the time in the first word
  kTimedSink,    // reads them, and takes the time since
  kExit,
};

struct Job {
  JobKind kind = JobKind::kExit;
  bool ordered = true;  // frames come from one producer, in order
  bool count_system_calls = false;
  bool forget_latencies = false;  // of the jobs before
  uint64_t frames = 0;  // each process's own: a sink of three sources reads three times as many
  uint64_t frame_bytes = 0;
  double interval_nanos = 0;  // kTimedSource: from one frame to the next; 0: at once
};

// Durations in nanoseconds.
struct Percentiles {
  uint64_t count = 0;
  double middle = 0;  // the mean of the middle half: finer than the clock's ticks
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double p999 = 0;
  double p9999 = 0;
  double max = 0;
};

struct JobResult {
  uint64_t begin_nanos = 0;  // of CLOCK_MONOTONIC
  uint64_t end_nanos = 0;
  uint64_t frames = 0;
  uint64_t checksum = 0;      // of what was read
  Percentiles latency;        // of round trips, or of kTimedSink's jobs since they were forgotten
  uint64_t page_faults = 0;   // of the whole process
  int64_t system_calls = -1;  // of the thread that did the job; -1: not counted
  uint64_t live_bytes = 0;    // memory that the frames pass through; 0: not known
  char error[512] = {};       // empty: it went well
};

// A process's ends: numbers of channels, and which of their writers and readers it is.
struct Role {
  std::optional<size_t> in;
  int reader_index = 0;
  std::optional<size_t> out;
  int writer_index = 0;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_JOB_H_
