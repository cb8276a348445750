// Turns the SIGBUS of a truncated file into a flag on the mapping.
//
// A page of a file mapping can go away at any time: another process truncates the file, the disk
// fails, or a hole finds the file system full. The kernel then answers the next access with SIGBUS,
// which kills the process. With the guard installed and the range registered, the handler instead
//
//   1. marks the range as damaged, with the file offset of the page that faulted,
//   2. puts zero pages of the same protection, private to this process, from that page up to the
//      range's end (what lies before keeps showing the file),
//   3. returns, and the interrupted instruction carries on, on zeros.
//
// The owner asks damaged() before it believes what it read, and after it wrote. Damage is for good:
// the range shows zeros even if the file grows back. Unmap it and map it anew.
//
// What the guard does not see:
//   - Loss without a fault. Bytes between the new end of a file and the next page boundary read as
//     zeros with no signal, and so does a range that shrank and grew back between two accesses.
//     Formats need their own validation.
//   - Accesses by the kernel. read(2), write(2) and their like, given an address in a lost page,
//     fail with EFAULT or stop short; no signal, no damage. Touching the byte tells.
//   - Threads that block SIGBUS: the kernel kills the process without asking the handler.
//
// Any other SIGBUS (outside of every registered range, hardware memory errors, sent by kill())
// goes where it would have gone without the guard: to the handler that was there before, called
// with its own mask and flags, or to the process's death by SIGBUS. A handler that is installed
// later than the guard must do the same for the guard.

#ifndef CAUSEWAY_MMAPCORE_SIGBUS_GUARD_H_
#define CAUSEWAY_MMAPCORE_SIGBUS_GUARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/protection.h"

namespace causeway {

namespace sigbus_internal {
struct Slot;
}  // namespace sigbus_internal

// The process-wide handler. There is no way back: other handlers may have chained to it by the time
// that anyone would want to remove it.
class SigbusGuard {
 public:
  // How many ranges can be registered at a time: more than the kernel's default for mappings
  // (vm.max_map_count, 65530).
  static constexpr size_t kMaxRanges = 65536;

  // Installs the handler for SIGBUS, and remembers the one that was there. Only the first call of a
  // process does anything; later ones return what the first returned. Thread-safe. A child of
  // fork() inherits the handler and the registered ranges; exec() drops both.
  //
  // ResourceExhausted: no memory to register with fork(). Nothing else is known to fail.
  static absl::Status Install();

  // True once Install() has succeeded. Async-signal-safe.
  static bool installed();

  SigbusGuard() = delete;
};

// The registration of one range of mapped pages, ended by the destructor. Move-only; a moved-from
// or default-constructed GuardedRange guards nothing and is never damaged. Const member functions
// may be called from several threads.
class GuardedRange {
 public:
  GuardedRange() = default;

  // Guards the `length` bytes at `begin`, which show a file from `file_offset` bytes on, have been
  // mapped with `protection`, and overlap no other guarded range. Addresses and length are
  // multiples of the page size. Lock-free; does not block.
  //
  // FailedPrecondition: the guard is not installed.
  // InvalidArgument: not whole pages, or none.
  // ResourceExhausted: kMaxRanges ranges are registered.
  static absl::StatusOr<GuardedRange> Register(const void* begin, uint64_t length,
                                               uint64_t file_offset, Protection protection);

  GuardedRange(GuardedRange&& other) noexcept
      : slot_(std::exchange(other.slot_, nullptr)),
        damage_(std::exchange(other.damage_, &kNoDamage)) {}
  GuardedRange& operator=(GuardedRange&& other) noexcept {
    if (this != &other) {
      Unregister();
      slot_ = std::exchange(other.slot_, nullptr);
      damage_ = std::exchange(other.damage_, &kNoDamage);
    }
    return *this;
  }
  ~GuardedRange() { Unregister(); }

  // Ends the registration. Must precede munmap(): once this has returned, no handler touches the
  // range's addresses any more, whoever they belong to next. Waits for handlers that are at work on
  // this range (a system call each).
  void Unregister();

  // True once an access to the range has faulted: what was read since, by any thread, may be zeros
  // that nobody wrote, and what was written since may be lost. Meant to be asked once per frame: a
  // load from a line that nobody writes to, and no fence on x86.
  //
  // Loads that precede it in program order are vouched for by `false`: the handler marks the damage
  // before it maps the zeros, so whoever has read a zero sees the mark, provided that the mark is
  // loaded after. That order is what OrderBeforeDamageCheck() keeps.
  bool damaged() const {
    OrderBeforeDamageCheck();
    return damage_->load(std::memory_order_relaxed) != 0;
  }

  // The file offset in bytes of the page whose access faulted first, or nothing. Pages before it
  // may have been lost as well, if they faulted later.
  std::optional<uint64_t> damaged_offset() const {
    const uint64_t damage = damage_->load(std::memory_order_relaxed);
    if (damage == 0) return std::nullopt;
    return damage - 1;
  }

 private:
  GuardedRange(sigbus_internal::Slot* slot, const std::atomic<uint64_t>* damage)
      : slot_(slot), damage_(damage) {}

  static void OrderBeforeDamageCheck() {
#if defined(__x86_64__)
    // The processor keeps loads in order; the compiler must, too.
    std::atomic_signal_fence(std::memory_order_acquire);
#else
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
  }

  // What an unguarded range looks at, so that damaged() has no branch.
  static constexpr std::atomic<uint64_t> kNoDamage{0};

  sigbus_internal::Slot* slot_ = nullptr;             // the entry in the handler's table
  const std::atomic<uint64_t>* damage_ = &kNoDamage;  // its file offset + 1; zero: none
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_SIGBUS_GUARD_H_
