// Sleeping until another process, or another thread, changes a word.
//
// A doorbell is a 32-bit word of a mapping that only its owner increments. Whoever wants to sleep
// loads it, says so in a word that the owner reads, looks again for work, and then waits while the
// doorbell has the value that was loaded. The kernel compares and queues atomically, so a ring
// after the load is never lost.

#ifndef CAUSEWAY_MMAPCORE_DOORBELL_H_
#define CAUSEWAY_MMAPCORE_DOORBELL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "mmapcore/deadline.h"
#include "mmapcore/shared_word.h"

namespace causeway {

// A word to wait on, and the value that it had when the caller decided to.
struct WaitedWord {
  const uint32_t* address = nullptr;
  uint32_t value = 0;
  bool in_process = false;  // the word is not shared with other processes
};

// How many words one futex_waitv(2) takes.
inline constexpr size_t kMaxWaitedWords = 128;

// With more words than that, the longest sleep: only the first kMaxWaitedWords wake it, so the
// caller looks at the rest this often.
inline constexpr int64_t kUnwatchedNapNanos = 1'000'000;

// Sleeps until one of the words no longer has its value, somebody wakes one of them, the deadline
// passes, or for no reason: the caller looks again in every case. Needs no right to write. Also
// returns at once when a word is no longer backed by its file.
void WaitForAny(std::span<const WaitedWord> words, Deadline deadline);

// Increments the doorbell, which only the caller's process writes, and wakes everybody who waits on
// it. A system call.
void Ring(SharedWord<uint32_t>& doorbell);

// A doorbell within one process: lets any thread wake the one that waits in a LaneWriter or a
// WaitSet. A raise is not lost when nobody waits: the next wait returns at once.
class Attention {
 public:
  Attention() = default;
  Attention(const Attention&) = delete;
  Attention& operator=(const Attention&) = delete;

  // Makes the current or else the next wait return. Thread-safe; wait-free but for the system call
  // that it makes if somebody sleeps.
  void Raise();

  // The number of raises so far (modulo 2^32), acquired: what their threads did before is visible.
  uint32_t count() const { return count_.load(std::memory_order_acquire); }

  // For the thread that waits. Sleeping between BeginSleep() and EndSleep() is how Raise() knows
  // that a system call is needed.
  WaitedWord BeginSleep(uint32_t seen);
  void EndSleep();

 private:
  std::atomic<uint32_t> count_{0};
  std::atomic<uint32_t> sleepers_{0};
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_DOORBELL_H_
