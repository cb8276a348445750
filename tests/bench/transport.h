// A party's means of moving frames, as the harness sees it.

#ifndef CAUSEWAY_TESTS_BENCH_TRANSPORT_H_
#define CAUSEWAY_TESTS_BENCH_TRANSPORT_H_

#include <span>

#include "absl/status/status.h"
#include "tests/bench/channel.h"
#include "tests/bench/job.h"
#include "tests/bench/job_feed.h"

namespace causeway::bench {

// One object serves one crew: prepared in the parent, which has no threads, then used in each
// process that the parent has forked.
class Transport {
 public:
  virtual ~Transport() = default;

  // In the parent: makes what the processes inherit.
  virtual absl::Status Prepare(std::span<const ChannelSpec> channels) = 0;

  // In a process: opens the ends of `role`, says Ready() or Fail(), and does jobs until there are
  // no more.
  virtual void Serve(const Role& role, JobFeed& feed) = 0;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_TRANSPORT_H_
