// What was counted of the attacks on one target, by all processes that took part.

#ifndef CAUSEWAY_TESTS_HOSTILE_ATTACK_COUNTS_H_
#define CAUSEWAY_TESTS_HOSTILE_ATTACK_COUNTS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace causeway::hostile {

// Lies in memory that all processes of a run share; all-zero is empty. Relaxed throughout: it is
// read when the processes have ended.
struct AttackCounts {
  static constexpr size_t kCodes = 17;  // of absl::StatusCode

  std::atomic<uint64_t> rounds;
  std::atomic<uint64_t> scribbles;
  std::atomic<uint64_t> openings;  // of a lane, or a cursor page, under attack
  std::atomic<uint64_t> verified;  // frames under attack that were what the honest half wrote
  std::atomic<uint64_t> forged;    // of valid shape and wrong bytes: refused by their own checksum
  std::atomic<uint64_t> gaps;      // that a reader was told of
  std::atomic<uint64_t> ends;      // of lanes, as the attacker had it
  std::atomic<uint64_t> bad_cursors;
  std::atomic<uint64_t> evictions;  // of a reader that held the lane, which is its right
  std::atomic<uint64_t> honest;     // frames of the stream beside it, each read once and in order
  std::array<std::atomic<uint64_t>, kCodes> refused;  // by code

  void Refuse(const absl::Status& status) {
    const auto code = static_cast<size_t>(status.code());
    if (code < kCodes) Add(refused[code]);
  }
  static void Add(std::atomic<uint64_t>& counter, uint64_t amount = 1) {
    counter.fetch_add(amount, std::memory_order_relaxed);
  }
};

}  // namespace causeway::hostile

#endif  // CAUSEWAY_TESTS_HOSTILE_ATTACK_COUNTS_H_
