#include "tests/bench/job_feed.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "mmapcore/deadline.h"

namespace causeway::bench {
namespace {

uint64_t PageFaults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

}  // namespace

void JobFeed::Ready() { Answer(JobResult()); }

void JobFeed::Fail(std::string_view error) {
  JobResult result;
  error.copy(result.error, sizeof(result.error) - 1);
  Answer(result);
}

bool JobFeed::Next(Job& job) {
  return recv(socket_, &job, sizeof(job), 0) == sizeof(job) && job.kind != JobKind::kExit;
}

void JobFeed::Begin(const Job& job, JobResult& result) {
  if (job.count_system_calls) counter_.emplace();
  const uint64_t all = ++meetings_ * processes_;
  rendezvous_->arrived.fetch_add(1);
  while (rendezvous_->arrived.load() < all) sched_yield();
  faults_before_ = PageFaults();
  if (counter_.has_value()) counter_->Start();
  result.begin_nanos = Deadline::NowNanos();
}

void JobFeed::End(JobResult& result) {
  result.end_nanos = Deadline::NowNanos();
  if (counter_.has_value()) result.system_calls = counter_->Count();
  counter_.reset();
  result.page_faults = PageFaults() - faults_before_;
}

void JobFeed::Answer(const JobResult& result) {
  send(socket_, &result, sizeof(result), MSG_NOSIGNAL);
}

}  // namespace causeway::bench
