// A process's line to the parent that gives it jobs.

#ifndef CAUSEWAY_TESTS_BENCH_JOB_FEED_H_
#define CAUSEWAY_TESTS_BENCH_JOB_FEED_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tests/bench/job.h"
#include "tests/bench/system_call_counter.h"

namespace causeway::bench {

// Where the processes of one crew meet, in memory that all of them have.
struct Rendezvous {
  std::atomic<uint64_t> arrived{0};
};

// Not thread-safe.
class JobFeed {
 public:
  // `socket`: SOCK_SEQPACKET, to the parent; stays the caller's. `processes` meet at `rendezvous`.
  JobFeed(int socket, Rendezvous* rendezvous, uint64_t processes)
      : socket_(socket), rendezvous_(rendezvous), processes_(processes) {}

  // Tells the parent that the process is ready for jobs, or why it cannot do any.
  void Ready();
  void Fail(std::string_view error);

  // Waits for a job. False: it is time to go.
  bool Next(Job& job);

  // Returns once all processes of the crew have come to this call, with the time. From then on
  // faults, and system calls if the job asks for them, count.
  void Begin(const Job& job, JobResult& result);
  // Takes the time, and the counts.
  void End(JobResult& result);

  void Answer(const JobResult& result);

 private:
  const int socket_;
  Rendezvous* const rendezvous_;
  const uint64_t processes_;
  uint64_t meetings_ = 0;
  uint64_t faults_before_ = 0;
  std::optional<SystemCallCounter> counter_;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_JOB_FEED_H_
