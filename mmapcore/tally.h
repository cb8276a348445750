// A number that one thread counts up and every thread may look at.

#ifndef CAUSEWAY_MMAPCORE_TALLY_H_
#define CAUSEWAY_MMAPCORE_TALLY_H_

#include <atomic>
#include <cstdint>

namespace causeway {

// Add() belongs to one thread at a time, value() to any. Counting costs a load and a store of the
// owner's own line: there is no addition in one step, since nobody else adds.
class Tally {
 public:
  // Relaxed, here and below: the number alone matters, nothing is read on the strength of it.
  void Add(uint64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  // Exact, but perhaps not the newest.
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_TALLY_H_
