// Numbers that follow from a seed.

#ifndef CAUSEWAY_TESTS_HOSTILE_RANDOM_H_
#define CAUSEWAY_TESTS_HOSTILE_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace causeway::hostile {

// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t x = state_ += 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
  }
  // Less than `limit`, which is not 0.
  uint64_t Below(uint64_t limit) { return Next() % limit; }
  template <typename Range>
  auto Pick(const Range& range) {
    return range[Below(std::size(range))];
  }

 private:
  uint64_t state_;
};

}  // namespace causeway::hostile

#endif  // CAUSEWAY_TESTS_HOSTILE_RANDOM_H_
