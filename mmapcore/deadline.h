// A point in time at which to stop waiting.

#ifndef CAUSEWAY_MMAPCORE_DEADLINE_H_
#define CAUSEWAY_MMAPCORE_DEADLINE_H_

#include <time.h>

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace causeway {

// A time of CLOCK_MONOTONIC, which nobody can set back: what the kernel's bounded waits take.
// A value, cheap to copy.
class Deadline {
 public:
  // Nanoseconds of CLOCK_MONOTONIC now.
  static int64_t NowNanos() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }

  // Never.
  static Deadline Infinite() { return Deadline(INT64_MAX); }

  // Has passed already: whoever waits until then does not wait, but looks once.
  static Deadline Passed() { return Deadline(0); }

  // `duration` from now; at once if it is negative, never if it is out of range.
  static Deadline After(absl::Duration duration) {
    const int64_t nanos = std::max<int64_t>(absl::ToInt64Nanoseconds(duration), 0);
    const int64_t now = NowNanos();
    return Deadline(nanos > INT64_MAX - now ? INT64_MAX : now + nanos);
  }

  // At a time of CLOCK_MONOTONIC, in nanoseconds.
  static Deadline AtNanos(int64_t nanos) { return Deadline(nanos); }

  bool HasPassed() const { return nanos_ != INT64_MAX && NowNanos() >= nanos_; }
  int64_t nanos() const { return nanos_; }
  friend Deadline Earlier(Deadline a, Deadline b) { return a.nanos_ < b.nanos_ ? a : b; }
  // Between now and then.
  friend Deadline Halfway(Deadline then) {
    if (then.nanos_ == INT64_MAX) return then;
    const int64_t now = NowNanos();
    return Deadline(now + (then.nanos_ - now) / 2);
  }

 private:
  explicit Deadline(int64_t nanos) : nanos_(nanos) {}
  int64_t nanos_;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_DEADLINE_H_
