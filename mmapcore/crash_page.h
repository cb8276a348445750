// What a test that kills processes at crash points shares with each of them.

#ifndef CAUSEWAY_MMAPCORE_CRASH_PAGE_H_
#define CAUSEWAY_MMAPCORE_CRASH_PAGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace causeway {

// Name of the environment variable with the path of a file that holds a CrashPage. The file
// belongs to one process, or to one process and its children.
inline constexpr char kCrashPageVariable[] = "CAUSEWAY_CRASH_PAGE";

// Name of the environment variable that makes a program write its crash points to standard output,
// "name file:line" each, and exit before main().
inline constexpr char kCrashListVariable[] = "CAUSEWAY_CRASH_LIST";

// One process arms, the other counts, and kills itself. A point's slot is its index among the names
// of all points of the program, sorted and each once. All-zero: nothing passed, nothing armed.
//
// `armed` is stored by the test, after `countdown`, with release; the process acquires it. The
// process that brings the countdown to zero stores `killed_at_nanos` and then gets SIGKILL from
// itself; `armed` stays what it was. Who passes the point `slow` sleeps there for kSlowNanos: what
// others may do between two steps, and seldom come to do, they then do.
struct CrashPage {
  static constexpr size_t kSlots = 256;
  static constexpr int64_t kSlowNanos = 2'000'000;

  std::atomic<uint32_t> armed;           // slot + 1; 0: no point is armed
  std::atomic<uint32_t> slow;            // slot + 1 of a point that takes its time; 0: none does
  std::atomic<int64_t> countdown;        // passings of the armed point until the kill
  std::atomic<int64_t> killed_at_nanos;  // CLOCK_MONOTONIC; 0: not killed here
  std::atomic<uint64_t> passings[kSlots];
};

static_assert(std::is_standard_layout_v<CrashPage>);
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(std::atomic<int64_t>::is_always_lock_free);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_CRASH_PAGE_H_
