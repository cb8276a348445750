// How long to spin before sleeping, learned from how often it has paid.

#ifndef CAUSEWAY_MMAPCORE_SPIN_BUDGET_H_
#define CAUSEWAY_MMAPCORE_SPIN_BUDGET_H_

#include <algorithm>
#include <cstdint>

#include "mmapcore/deadline.h"
#include "mmapcore/spin_pause.h"

namespace causeway {

// Of one thread. A spin that found something allows longer ones, up to the most; one that did not
// makes the next shorter, down to a few looks. With a most of 0 it never spins.
class SpinBudget {
 public:
  explicit SpinBudget(int64_t max_nanos) : max_nanos_(max_nanos), nanos_(max_nanos) {}

  // Calls `look` until it returns true, the budget is spent or the deadline passes. True: it did.
  template <typename Look>
  bool SpinUntil(Deadline deadline, const Look& look) {
    if (nanos_ <= 0) return false;
    const Deadline until = Earlier(deadline, Deadline::AtNanos(Deadline::NowNanos() + nanos_));
    do {
      if (LookForAWhile(look)) {
        nanos_ = std::min(max_nanos_, nanos_ * 2);
        return true;
      }
    } while (!until.HasPassed());
    nanos_ = std::min(max_nanos_, std::max(kMinNanos, nanos_ / 2));
    return false;
  }

  // As many looks as are worth one at the clock. True: one of them returned it.
  template <typename Look>
  static bool LookForAWhile(const Look& look) {
    for (int i = 0; i < kLooksPerClock; ++i) {
      if (look()) return true;
      SpinPause();
    }
    return false;
  }

 private:
  static constexpr int kLooksPerClock = 32;
  static constexpr int64_t kMinNanos = 500;

  const int64_t max_nanos_;
  int64_t nanos_;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_SPIN_BUDGET_H_
