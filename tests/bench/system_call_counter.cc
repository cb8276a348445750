#include "tests/bench/system_call_counter.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace causeway::bench {
namespace {

int Open() {
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

SystemCallCounter::SystemCallCounter() : counter_(Open()) {}

void SystemCallCounter::Start() {
  if (counter_.valid()) ioctl(counter_.get(), PERF_EVENT_IOC_ENABLE, 0);
}

int64_t SystemCallCounter::Count() {
  uint64_t calls = 0;
  if (!counter_.valid() || read(counter_.get(), &calls, sizeof(calls)) != sizeof(calls)) return -1;
  return static_cast<int64_t>(calls) - ++own_;  // This read is counted as it begins.
}

}  // namespace causeway::bench
