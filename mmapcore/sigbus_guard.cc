// The table of guarded ranges and the signal handler that reads it.
//
// One slot per registered range, in a static array: the handler may neither allocate nor lock, and
// so neither does anything else here.
//
//   word                  written by                        read by
//   begin, end, ...       Register(), while not live        handlers
//   live                  Register(): 1, Unregister(): 0    handlers
//   pins                  handlers: +1, -1; fork's child: 0 Unregister()
//   damage, lost_from     handlers that hold a pin;         owner of the range (damage), handlers
//                         Register(), while not live
//   next_free             whoever frees or takes the slot   whoever takes the slot
//
//            Register()                 Unregister(): live = 0
//   [free] ─────────────► [live] ──────────────────────────────► [leaving]
//      ▲                  ▲    │ a handler pins the slot,           │
//      │                  └────┘ finds it live, replaces pages      │
//      └────────────────────────────────────────────────────────────┘
//                 Unregister(): saw pins = 0
//
// Invariants:
//   1. A handler touches the pages of a range only while it holds a pin on the range's slot and has
//      seen the slot live after pinning it.
//   2. Unregister() returns only when no handler can touch the range any more. With 1 this is
//      Dekker's pattern, hence seq_cst: the handler writes pins, then reads live; Unregister()
//      writes live, then reads pins. At least one of the two sees the other's write: the handler
//      backs off, or Unregister() waits. So nobody's later mapping at the same addresses is hit.
//   3. A slot that a handler looks at may be freed and taken by another range at any time before it
//      is pinned. Hence the range is compared again after pinning (no ABA: what counts is the range
//      that the slot holds while pinned).
//   4. Damage is marked before the zero pages are mapped: a thread that reads such a zero finds the
//      mark. lost_from is lowered after they are mapped: a handler that finds its page behind
//      lost_from knows that repeating the instruction will succeed.
//
// Handlers are wait-free: a bounded scan, no retry that depends on another thread. Two handlers
// that fault in one range at once may both map zeros over the higher one's part; what was stored
// there in between is lost, and the range is damaged anyway.
//
// If a thread forks while another is inside the handler, the child inherits a pin whose holder does
// not exist in it. The child has one thread, which is in fork(), so all pins are cleared there.

#include "mmapcore/sigbus_guard.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/page.h"

namespace causeway {
namespace sigbus_internal {

// One cache line each, so that asking one range for damage is not slowed down by another's events.
struct alignas(64) Slot {
  std::atomic<uint32_t> live;
  std::atomic<uint32_t> pins;
  std::atomic<uintptr_t> begin;      // address
  std::atomic<uintptr_t> end;        // address
  std::atomic<uintptr_t> lost_from;  // address from which on the range shows zeros; end: none
  std::atomic<uint64_t> file_offset;
  std::atomic<uint64_t> damage;     // file offset of the first page that faulted, plus one; 0: none
  std::atomic<int> protection;      // PROT_ bits
  std::atomic<uint32_t> next_free;  // index + 1 of the next slot in the free list; 0: the last

  bool Covers(uintptr_t address) const {
    // Relaxed: a guess before pinning; after it, ordered by the load of live.
    return address >= begin.load(std::memory_order_relaxed) &&
           address < end.load(std::memory_order_relaxed);
  }
};
static_assert(sizeof(Slot) == 64);
static_assert(sizeof(uintptr_t) == 8, "SYS_mmap takes other arguments on 32-bit processors");
static_assert(std::atomic<uintptr_t>::is_always_lock_free);
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

}  // namespace sigbus_internal

namespace {

using sigbus_internal::Slot;

// All zero, so it lies in .bss: a slot costs memory from its first use on.
constinit Slot g_slots[SigbusGuard::kMaxRanges];

// How many slots have ever been used; those from here on are zero. Never shrinks.
constinit std::atomic<uint32_t> g_used_slots{0};

// Stack of freed slots: index + 1 of the first in the low half; in the high half a count of
// changes, so that a compare-exchange fails if the stack was changed and changed back meanwhile.
constinit std::atomic<uint64_t> g_free_slots{0};

constinit std::atomic<bool> g_installed{false};

// What SIGBUS did before Install(), and whether its SA_RESETHAND has been used up.
constinit struct sigaction g_before[2] = {};
constinit std::atomic<const struct sigaction*> g_previous{nullptr};
constinit std::atomic<bool> g_previous_reset{false};

// ---- The table, as Register() and Unregister() see it.

uint64_t FreeListHead(uint64_t former_head, uint32_t first) {
  return ((former_head >> 32) + 1) << 32 | first;
}

Slot* PopFreeSlot() {
  uint64_t head = g_free_slots.load(std::memory_order_acquire);
  while (static_cast<uint32_t>(head) != 0) {
    Slot& slot = g_slots[static_cast<uint32_t>(head) - 1];
    const uint32_t next = slot.next_free.load(std::memory_order_relaxed);
    // Acquire: pairs with the release in PushFreeSlot(), for next_free of the slot that comes up.
    if (g_free_slots.compare_exchange_weak(head, FreeListHead(head, next),
                                           std::memory_order_acquire)) {
      return &slot;
    }
  }
  return nullptr;
}

void PushFreeSlot(Slot& slot) {
  const uint32_t self = static_cast<uint32_t>(&slot - g_slots) + 1;
  uint64_t head = g_free_slots.load(std::memory_order_relaxed);
  do {
    slot.next_free.store(static_cast<uint32_t>(head), std::memory_order_relaxed);
  } while (!g_free_slots.compare_exchange_weak(
      head, FreeListHead(head, self), std::memory_order_release, std::memory_order_relaxed));
}

Slot* TakeSlot() {
  if (Slot* slot = PopFreeSlot(); slot != nullptr) return slot;
  uint32_t used = g_used_slots.load(std::memory_order_relaxed);
  while (used < SigbusGuard::kMaxRanges) {
    // Relaxed: a handler that needs this slot runs in a thread that learnt of the range after
    // Register() had returned.
    if (g_used_slots.compare_exchange_weak(used, used + 1, std::memory_order_relaxed)) {
      return &g_slots[used];
    }
  }
  return nullptr;
}

// ---- The handler. Everything it calls is async-signal-safe.

// Puts zero pages from `page` to the end of the pinned slot's range.
bool ReplaceFrom(Slot& slot, uintptr_t page) {
  const uint64_t offset = slot.file_offset.load(std::memory_order_relaxed) +
                          (page - slot.begin.load(std::memory_order_relaxed));
  uint64_t none = 0;
  slot.damage.compare_exchange_strong(none, offset + 1, std::memory_order_seq_cst);

  // Acquire: pairs with the release below, in another thread's handler (invariant 4).
  uintptr_t lost_from = slot.lost_from.load(std::memory_order_acquire);
  if (page >= lost_from) return true;
  // The system call itself: mmap() of the C library may be wrapped (sanitizers do), and wrappers
  // are not async-signal-safe.
  const long mapped =
      syscall(SYS_mmap, page, lost_from - page, slot.protection.load(std::memory_order_relaxed),
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  if (mapped == -1)
    return false;  // No memory for it: the process dies as it would have without us.
  while (page < lost_from &&
         !slot.lost_from.compare_exchange_weak(lost_from, page, std::memory_order_release,
                                               std::memory_order_relaxed)) {
    // Ends: lost_from only falls, a page at a time at most, and each failure is another's progress.
  }
  return true;
}

// True if the access to `address` will succeed when it is repeated.
bool Repair(uintptr_t address) {
  const uintptr_t page = RoundDownToPage(address);
  const uint32_t used = g_used_slots.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < used; ++i) {
    Slot& slot = g_slots[i];
    if (!slot.Covers(page)) continue;
    slot.pins.fetch_add(1, std::memory_order_seq_cst);  // Partner: Unregister(), see invariant 2.
    const bool repaired = slot.live.load(std::memory_order_seq_cst) != 0 && slot.Covers(page) &&
                          ReplaceFrom(slot, page);
    slot.pins.fetch_sub(1, std::memory_order_seq_cst);
    if (repaired) return true;
  }
  return false;
}

// Whether the kernel forces this signal on the thread, which cannot go on, instead of sending it:
// a forced signal kills even if it is ignored.
bool IsForced(const siginfo_t& info) { return info.si_code > 0 && info.si_code != BUS_MCEERR_AO; }

void DieBySignal(int signal, siginfo_t* info) {
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  sigaction(signal, &by_default, nullptr);
  // Blocked until the handler returns; then it kills, with the registers of the interrupted
  // instruction and the original details in the core dump.
  const pid_t process = getpid();
  const long thread = syscall(SYS_gettid);
  if (syscall(SYS_rt_tgsigqueueinfo, process, thread, signal, info) != 0) {
    syscall(SYS_tgkill, process, thread, signal);
  }
}

// Calls the handler that was there before with the mask that the kernel would have given it. Ours
// runs with everything blocked. The kernel restores the interrupted mask when we return, and if the
// handler jumps out instead, it finds the mask that it expects. One thing differs: where the thread
// has an alternate signal stack the handler runs on it, whether it asked for that or not.
void CallPrevious(const struct sigaction& previous, int signal, siginfo_t* info,
                  ucontext_t* context) {
  sigset_t mask = previous.sa_mask;
  for (int other = 1; other < NSIG; ++other) {
    if (sigismember(&context->uc_sigmask, other) == 1) sigaddset(&mask, other);
  }
  if ((previous.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, signal);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else {
    previous.sa_handler(signal);
  }
}

void PassOn(int signal, siginfo_t* info, void* context) {
  const struct sigaction& previous = *g_previous.load(std::memory_order_acquire);
  if (previous.sa_handler == SIG_IGN && !IsForced(*info)) return;
  const bool has_handler = previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN;
  const bool once = (previous.sa_flags & SA_RESETHAND) != 0;
  // Relaxed: one exchange decides which thread gets the one call.
  if (!has_handler || (once && g_previous_reset.exchange(true, std::memory_order_relaxed))) {
    DieBySignal(signal, info);
    return;
  }
  CallPrevious(previous, signal, info, static_cast<ucontext_t*>(context));
}

void OnSigbus(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  // Only BUS_ADRERR is about a page that the file does not have. si_addr means nothing in signals
  // that were sent, and hardware errors are not ours to hide.
  const bool repaired =
      info->si_code == BUS_ADRERR && Repair(reinterpret_cast<uintptr_t>(info->si_addr));
  if (!repaired) PassOn(signal, info, context);
  errno = saved_errno;
}

void ForgetPinsOfOtherThreads() {
  const uint32_t used = g_used_slots.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < used; ++i) g_slots[i].pins.store(0, std::memory_order_relaxed);
}

absl::Status InstallHandler() {
  PageSize();  // Computed here, so that the handler finds it computed.
  // Asked for before our handler is in place, so that it finds an answer; and again by the call
  // that puts it in place, in case that another handler was installed between the two.
  if (sigaction(SIGBUS, nullptr, &g_before[0]) != 0) {
    return StatusFromErrno(errno, {.operation = "sigaction(SIGBUS)", .path = ""});
  }
  g_previous.store(&g_before[0], std::memory_order_release);

  const int error = pthread_atfork(nullptr, nullptr, &ForgetPinsOfOtherThreads);
  if (error != 0) return StatusFromErrno(error, {.operation = "pthread_atfork", .path = ""});

  struct sigaction action = {};
  action.sa_sigaction = &OnSigbus;
  sigfillset(&action.sa_mask);
  // System calls restart after a signal that the previous handler would have let restart.
  const bool interrupts = g_before[0].sa_handler != SIG_IGN && g_before[0].sa_handler != SIG_DFL &&
                          (g_before[0].sa_flags & SA_RESTART) == 0;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | (interrupts ? 0 : SA_RESTART);
  if (sigaction(SIGBUS, &action, &g_before[1]) != 0) {
    return StatusFromErrno(errno, {.operation = "sigaction(SIGBUS)", .path = ""});
  }
  g_previous.store(&g_before[1], std::memory_order_release);
  g_installed.store(true, std::memory_order_release);
  return absl::OkStatus();
}

}  // namespace

absl::Status SigbusGuard::Install() {
  static const absl::Status* const result = new absl::Status(InstallHandler());
  return *result;
}

bool SigbusGuard::installed() { return g_installed.load(std::memory_order_acquire); }

absl::StatusOr<GuardedRange> GuardedRange::Register(const void* begin, uint64_t length,
                                                    uint64_t file_offset, Protection protection) {
  if (!SigbusGuard::installed()) {
    return absl::FailedPreconditionError(
        "the SIGBUS guard is not installed; call SigbusGuard::Install() first");
  }
  const uintptr_t address = reinterpret_cast<uintptr_t>(begin);
  if (length == 0 || !IsPageAligned(address) || !IsPageAligned(length) ||
      !CheckedAdd(address, length).has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot guard ", length, " bytes at 0x", absl::Hex(address),
                     ": both must be multiples of the page size ", PageSize(), ", and not zero"));
  }
  Slot* const slot = TakeSlot();
  if (slot == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("SigbusGuard::kMaxRanges = ", SigbusGuard::kMaxRanges,
                     " guarded ranges are registered; unmap some, or map fewer and longer ranges"));
  }
  // Relaxed: published by live. A handler that reads a mixture of two ranges before that finds the
  // slot not live after pinning it.
  slot->begin.store(address, std::memory_order_relaxed);
  slot->end.store(address + length, std::memory_order_relaxed);
  slot->lost_from.store(address + length, std::memory_order_relaxed);
  slot->file_offset.store(file_offset, std::memory_order_relaxed);
  slot->damage.store(0, std::memory_order_relaxed);
  slot->protection.store(ProtectionBits(protection), std::memory_order_relaxed);
  slot->live.store(1, std::memory_order_release);  // Partner: the load of live in Repair().
  return GuardedRange(slot, &slot->damage);
}

void GuardedRange::Unregister() {
  if (slot_ == nullptr) return;
  Slot* const slot = std::exchange(slot_, nullptr);
  damage_ = &kNoDamage;
  slot->live.store(0, std::memory_order_seq_cst);  // Partner: Repair(), see invariant 2.
  while (slot->pins.load(std::memory_order_seq_cst) != 0) sched_yield();
  PushFreeSlot(*slot);
}

}  // namespace causeway
