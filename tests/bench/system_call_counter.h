// How many system calls a thread makes, as the kernel counts them.

#ifndef CAUSEWAY_TESTS_BENCH_SYSTEM_CALL_COUNTER_H_
#define CAUSEWAY_TESTS_BENCH_SYSTEM_CALL_COUNTER_H_

#include <cstdint>

#include "mmapcore/unique_fd.h"

namespace causeway::bench {

// Counts the system calls of the thread that made it (raw_syscalls:sys_enter, by
// perf_event_open()). Needs the right to trace, as root has it.
class SystemCallCounter {
 public:
  SystemCallCounter();

  // Counts from now on.
  void Start();

  // Since Start(), without those that this class made; -1 without the right to know.
  int64_t Count();

 private:
  UniqueFd counter_;
  int64_t own_ = 0;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_SYSTEM_CALL_COUNTER_H_
