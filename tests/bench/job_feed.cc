#include "tests/bench/job_feed.h"

#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "mmapcore/deadline.h"

namespace causeway::bench {
namespace {

uint64_t PageFaults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// A kernel counter of the calling thread's system calls; -1 without the right to one.
int OpenSystemCallCounter() {
  uint64_t id = 0;
  for (const char* root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    std::ifstream file(std::string(root) + "/events/raw_syscalls/sys_enter/id");
    if (file >> id) break;
  }
  if (id == 0) return -1;
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = id;
  attributes.disabled = 1;
  return static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
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
  if (job.count_system_calls) counter_ = OpenSystemCallCounter();
  const uint64_t all = ++meetings_ * processes_;
  rendezvous_->arrived.fetch_add(1);
  while (rendezvous_->arrived.load() < all) sched_yield();
  faults_before_ = PageFaults();
  if (counter_ >= 0) ioctl(counter_, PERF_EVENT_IOC_ENABLE, 0);
  result.begin_nanos = Deadline::NowNanos();
}

void JobFeed::End(JobResult& result) {
  result.end_nanos = Deadline::NowNanos();
  if (counter_ >= 0) {
    uint64_t calls = 0;
    // One of them is this read.
    if (read(counter_, &calls, sizeof(calls)) == sizeof(calls)) {
      result.system_calls = static_cast<int64_t>(std::max<uint64_t>(calls, 1)) - 1;
    }
    close(counter_);
    counter_ = -1;
  }
  result.page_faults = PageFaults() - faults_before_;
}

void JobFeed::Answer(const JobResult& result) {
  send(socket_, &result, sizeof(result), MSG_NOSIGNAL);
}

}  // namespace causeway::bench
