// The processes that work with one party's transport.

#ifndef CAUSEWAY_TESTS_BENCH_CREW_H_
#define CAUSEWAY_TESTS_BENCH_CREW_H_

#include <sys/types.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mmapcore/unique_fd.h"
#include "tests/bench/channel.h"
#include "tests/bench/job.h"
#include "tests/bench/job_feed.h"
#include "tests/bench/transport.h"

namespace causeway::bench {

// Processes that live through all rounds, so that a round measures work and not beginnings, and
// sleep while other crews work. They die with the parent. Not thread-safe; the parent must have no
// other threads.
class Crew {
 public:
  // Starts a process for each role and waits until all are ready. `pinned`: each stays on one core,
  // in turn over those that this process may use.
  // Unavailable: what the party said why not.
  static absl::StatusOr<std::unique_ptr<Crew>> Start(std::unique_ptr<Transport> transport,
                                                     std::span<const ChannelSpec> channels,
                                                     std::span<const Role> roles, bool pinned);

  // Sends everybody away, and kills who has not gone after some seconds.
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Gives each process its job (as many as roles) and waits for all results.
  // Unavailable: a process said why it failed, or died. DeadlineExceeded: no answer in a minute.
  // The crew is not to be used after an error.
  absl::StatusOr<std::vector<JobResult>> Run(std::span<const Job> jobs);

 private:
  struct Member {
    pid_t pid = -1;
    UniqueFd socket;
  };

  Crew(std::unique_ptr<Transport> transport, Rendezvous* rendezvous)
      : transport_(std::move(transport)), rendezvous_(rendezvous) {}

  absl::StatusOr<std::vector<JobResult>> Collect();

  std::unique_ptr<Transport> transport_;
  Rendezvous* const rendezvous_;
  std::vector<Member> members_;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_CREW_H_
