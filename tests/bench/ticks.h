// A clock that costs less than what it measures.

#ifndef CAUSEWAY_TESTS_BENCH_TICKS_H_
#define CAUSEWAY_TESTS_BENCH_TICKS_H_

#include <cstdint>

#include "mmapcore/deadline.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace causeway::bench {

// A count that grows steadily. Some 8 ns where clock_gettime() takes 25 ns.
inline uint64_t Ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<uint64_t>(Deadline::NowNanos());
#endif
}

// How long one of them is. Measured over at least ten milliseconds, once per process.
inline double NanosPerTick() {
  static const double nanos_per_tick = [] {
    const int64_t begin_nanos = Deadline::NowNanos();
    const uint64_t begin = Ticks();
    int64_t nanos = begin_nanos;
    while (nanos - begin_nanos < 10'000'000) nanos = Deadline::NowNanos();
    return static_cast<double>(nanos - begin_nanos) / static_cast<double>(Ticks() - begin);
  }();
  return nanos_per_tick;
}

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_TICKS_H_
