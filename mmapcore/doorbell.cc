#include "mmapcore/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>

#include "mmapcore/crash_point.h"
#include "mmapcore/deadline.h"
#include "mmapcore/shared_word.h"

namespace causeway {
namespace {

timespec ToTimespec(int64_t nanos) {
  return {.tv_sec = nanos / 1'000'000'000, .tv_nsec = nanos % 1'000'000'000};
}

void WaitForOne(const WaitedWord& word, int64_t until_nanos) {
  const timespec until = ToTimespec(until_nanos);
  const int operation = FUTEX_WAIT_BITSET | (word.in_process ? FUTEX_PRIVATE_FLAG : 0);
  // Unlike FUTEX_WAIT, it takes an absolute time of CLOCK_MONOTONIC.
  syscall(SYS_futex, word.address, operation, word.value, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void Wake(const uint32_t* address, bool in_process) {
  syscall(SYS_futex, address, FUTEX_WAKE | (in_process ? FUTEX_PRIVATE_FLAG : 0), INT_MAX, nullptr,
          nullptr, 0);
}

}  // namespace

void WaitForAny(std::span<const WaitedWord> words, Deadline deadline) {
  int64_t until = deadline.nanos();
  if (words.size() > kMaxWaitedWords) {
    words = words.first(kMaxWaitedWords);
    until = std::min(until, Deadline::NowNanos() + kUnwatchedNapNanos);
  }
  if (words.empty()) return;
  if (words.size() == 1) return WaitForOne(words[0], until);

  std::array<futex_waitv, kMaxWaitedWords> waiters;
  for (size_t i = 0; i < words.size(); ++i) {
    const uint32_t flags = FUTEX_32 | (words[i].in_process ? FUTEX_PRIVATE_FLAG : 0);
    waiters[i] = {.val = words[i].value,
                  .uaddr = reinterpret_cast<uintptr_t>(words[i].address),
                  .flags = flags,
                  .__reserved = 0};
  }
  const timespec timeout = ToTimespec(until);
  const long result =
      syscall(SYS_futex_waitv, waiters.data(), words.size(), 0, &timeout, CLOCK_MONOTONIC);
  if (result < 0 && (errno == ENOSYS || errno == EPERM)) {
    // Linux before 5.16, or a seccomp filter: only the first word wakes, the others are looked at.
    WaitForOne(words[0], std::min(until, Deadline::NowNanos() + kUnwatchedNapNanos));
  }
}

void Ring(SharedWord<uint32_t>& doorbell) {
  // A full barrier: whoever finds the new value when it decides to sleep also finds, when it looks
  // again, what the ring is about.
  doorbell.Increment();
  CAUSEWAY_CRASH_POINT("doorbell.ring.incremented");
  Wake(doorbell.address(), /*in_process=*/false);
}

void Attention::Raise() {
  // seq_cst, both: of Raise() {count; sleepers?} and BeginSleep() {sleepers; count?}, the latter in
  // the kernel, one sees the other.
  count_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0) {
    Wake(reinterpret_cast<const uint32_t*>(&count_), /*in_process=*/true);
  }
}

WaitedWord Attention::BeginSleep(uint32_t seen) {
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  return {.address = reinterpret_cast<const uint32_t*>(&count_), .value = seen, .in_process = true};
}

void Attention::EndSleep() { sleepers_.fetch_sub(1, std::memory_order_relaxed); }

}  // namespace causeway
