// Where a SIGBUS goes that is not the guard's. Every case is a process of its own, made by fork():
// the guard is installed once per process, over what the case has put there before.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/sigbus_guard.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/subprocess.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using ::causeway::testing::RunInChild;
using ::causeway::testing::ScratchDirectory;

std::byte Load(const std::byte* at) { return *const_cast<const volatile std::byte*>(at); }

// What the handlers below have seen.
volatile sig_atomic_t g_calls = 0;
volatile int g_signal = 0;
volatile int g_code = 0;
void* volatile g_address = nullptr;
sigset_t g_mask;
sigjmp_buf g_way_out;

void Remember(int signal, siginfo_t* info, void*) {
  g_calls = g_calls + 1;
  g_signal = signal;
  if (info != nullptr) {
    g_code = info->si_code;
    g_address = info->si_addr;
  }
  pthread_sigmask(SIG_BLOCK, nullptr, &g_mask);
}

void RememberAndJump(int signal, siginfo_t* info, void* context) {
  Remember(signal, info, context);
  siglongjmp(g_way_out, 1);
}

void RememberPlain(int signal) { Remember(signal, nullptr, nullptr); }

void RememberPlainAndJump(int signal) { RememberAndJump(signal, nullptr, nullptr); }

struct sigaction WithInfo(void (*handler)(int, siginfo_t*, void*), int flags = 0) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  return action;
}

struct sigaction Plain(void (*handler)(int), int flags = 0) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  return action;
}

// Sends SIGBUS to this thread with the details of a hardware error at `address`.
void SendHardwareError(int code, void* address) {
  siginfo_t info = {};
  info.si_signo = SIGBUS;
  info.si_code = code;
  info.si_addr = address;
  syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGBUS, &info);
}

class SigbusChainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
    ASSERT_TRUE(file.ok()) << file.status();
    file_.emplace(*std::move(file));
  }

  // In a child: puts `before` in place, installs the guard, and truncates the file under one
  // mapping that is guarded and one that is not; then runs `body`.
  std::string InChild(const struct sigaction& before,
                      const std::function<int(const Mapping& guarded, const Mapping& bare)>& body) {
    return RunInChild([&] {
      if (sigaction(SIGBUS, &before, nullptr) != 0) return 101;
      if (!SigbusGuard::Install().ok()) return 102;
      if (!file_->Resize(4 * PageSize()).ok()) return 103;
      absl::StatusOr<Mapping> guarded = Mapping::MapWhole(*file_, {.guarded = true});
      absl::StatusOr<Mapping> bare = Mapping::MapWhole(*file_);
      if (!guarded.ok() || !bare.ok()) return 104;
      if (!file_->Resize(0).ok()) return 105;
      return body(*guarded, *bare);
    });
  }

  // Loads a lost byte of `bare`; true if the handler jumped out.
  static bool Faults(const Mapping& bare) {
    if (sigsetjmp(g_way_out, /*savemask=*/1) != 0) return true;
    Load(bare.data() + PageSize());
    return false;
  }

  ScratchDirectory scratch_;
  std::optional<MappedFile> file_;
};

TEST_F(SigbusChainTest, FaultOutsideOfGuardedRangesKillsAsIfThereWereNoGuard) {
  EXPECT_EQ(InChild(Plain(SIG_DFL),
                    [](const Mapping&, const Mapping& bare) {
                      Load(bare.data());
                      return 0;
                    }),
            "signal 7 (SIGBUS)");
}

TEST_F(SigbusChainTest, FaultInARangeThatIsGuardedNoMoreKills) {
  EXPECT_EQ(InChild(Plain(SIG_DFL),
                    [&](const Mapping&, const Mapping& bare) {
                      absl::StatusOr<GuardedRange> range =
                          GuardedRange::Register(bare.data(), 4 * PageSize(), 0, Protection::kRead);
                      if (!range.ok()) return 1;
                      range->Unregister();
                      Load(bare.data());
                      return 0;
                    }),
            "signal 7 (SIGBUS)");
}

TEST_F(SigbusChainTest, SentSignalKillsByDefault) {
  EXPECT_EQ(InChild(Plain(SIG_DFL),
                    [](const Mapping&, const Mapping&) {
                      raise(SIGBUS);
                      return 0;
                    }),
            "signal 7 (SIGBUS)");
}

TEST_F(SigbusChainTest, IgnoredSignalIsIgnoredIfSentButAFaultKills) {
  EXPECT_EQ(InChild(Plain(SIG_IGN),
                    [](const Mapping&, const Mapping&) {
                      raise(SIGBUS);
                      SendHardwareError(BUS_MCEERR_AO, nullptr);
                      return 0;
                    }),
            "exit 0");
  EXPECT_EQ(InChild(Plain(SIG_IGN),
                    [](const Mapping&, const Mapping& bare) {
                      Load(bare.data());
                      return 0;
                    }),
            "signal 7 (SIGBUS)");
}

TEST_F(SigbusChainTest, GuardedFaultDoesNotReachThePreviousHandler) {
  EXPECT_EQ(InChild(WithInfo(&RememberAndJump),
                    [](const Mapping& guarded, const Mapping&) {
                      if (sigsetjmp(g_way_out, 1) != 0) return 1;
                      Load(guarded.data());
                      return guarded.damaged() && g_calls == 0 ? 0 : 2;
                    }),
            "exit 0");
}

TEST_F(SigbusChainTest, PreviousHandlerGetsTheDetailsOfTheFault) {
  EXPECT_EQ(InChild(WithInfo(&RememberAndJump),
                    [](const Mapping&, const Mapping& bare) {
                      if (!Faults(bare)) return 1;
                      if (g_signal != SIGBUS || g_code != BUS_ADRERR) return 2;
                      return g_address == bare.data() + PageSize() ? 0 : 3;
                    }),
            "exit 0");
}

TEST_F(SigbusChainTest, PreviousHandlerMayJumpOutAgainAndAgainAndTheGuardStillWorks) {
  EXPECT_EQ(InChild(WithInfo(&RememberAndJump),
                    [](const Mapping& guarded, const Mapping& bare) {
                      for (int i = 0; i < 3; ++i) {
                        if (!Faults(bare)) return 1;
                      }
                      if (g_calls != 3) return 2;
                      Load(guarded.data());
                      return guarded.damaged() ? 0 : 3;
                    }),
            "exit 0");
}

TEST_F(SigbusChainTest, PreviousHandlerWithoutDetailsIsCalledWithTheSignalAlone) {
  EXPECT_EQ(InChild(Plain(&RememberPlainAndJump),
                    [](const Mapping&, const Mapping& bare) {
                      return Faults(bare) && g_calls == 1 && g_signal == SIGBUS ? 0 : 1;
                    }),
            "exit 0");
}

TEST_F(SigbusChainTest, PreviousHandlerRunsWithItsOwnMask) {
  struct sigaction before = WithInfo(&Remember);
  sigaddset(&before.sa_mask, SIGUSR1);
  EXPECT_EQ(InChild(before,
                    [](const Mapping&, const Mapping&) {
                      sigset_t blocked;
                      sigemptyset(&blocked);
                      sigaddset(&blocked, SIGWINCH);
                      pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
                      raise(SIGBUS);
                      if (g_calls != 1) return 1;
                      if (sigismember(&g_mask, SIGBUS) != 1) return 2;    // itself
                      if (sigismember(&g_mask, SIGUSR1) != 1) return 3;   // sa_mask
                      if (sigismember(&g_mask, SIGWINCH) != 1) return 4;  // the thread's
                      if (sigismember(&g_mask, SIGUSR2) != 0) return 5;   // nothing else
                      sigset_t after;
                      pthread_sigmask(SIG_BLOCK, nullptr, &after);
                      if (sigismember(&after, SIGWINCH) != 1) return 6;
                      return sigismember(&after, SIGBUS) == 0 ? 0 : 7;
                    }),
            "exit 0");
}

TEST_F(SigbusChainTest, PreviousHandlerThatAllowsItsOwnSignalHasItUnblocked) {
  EXPECT_EQ(InChild(WithInfo(&Remember, SA_NODEFER),
                    [](const Mapping&, const Mapping&) {
                      raise(SIGBUS);
                      return g_calls == 1 && sigismember(&g_mask, SIGBUS) == 0 ? 0 : 1;
                    }),
            "exit 0");
}

TEST_F(SigbusChainTest, PreviousHandlerForOneCallGetsOneAndTheNextFaultKills) {
  EXPECT_EQ(InChild(WithInfo(&RememberAndJump, static_cast<int>(SA_RESETHAND)),
                    [](const Mapping& guarded, const Mapping& bare) {
                      if (!Faults(bare) || g_calls != 1) return 1;
                      Load(guarded.data());
                      if (!guarded.damaged()) return 2;
                      return Faults(bare) ? 3 : 4;
                    }),
            "signal 7 (SIGBUS)");
}

TEST_F(SigbusChainTest, SystemCallsRestartOnlyIfThePreviousHandlerLetsThem) {
  for (const int flags : {0, SA_RESTART}) {
    EXPECT_EQ(InChild(Plain(&RememberPlain, flags),
                      [](const Mapping&, const Mapping&) {
                        struct sigaction now;
                        sigaction(SIGBUS, nullptr, &now);
                        return (now.sa_flags & SA_RESTART) != 0 ? 1 : 0;
                      }),
              flags == 0 ? "exit 0" : "exit 1");
  }
}

TEST_F(SigbusChainTest, HardwareErrorInAGuardedRangeIsNotHidden) {
  for (const int code : {BUS_MCEERR_AR, BUS_MCEERR_AO}) {
    EXPECT_EQ(InChild(WithInfo(&Remember),
                      [&](const Mapping& guarded, const Mapping&) {
                        void* const address = const_cast<std::byte*>(guarded.data());
                        SendHardwareError(code, address);
                        if (g_calls != 1 || g_code != code || g_address != address) return 1;
                        return guarded.damaged() ? 2 : 0;
                      }),
              "exit 0");
  }
}

void (*g_chained)(int, siginfo_t*, void*) = nullptr;

void CountAndChain(int signal, siginfo_t* info, void* context) {
  g_calls = g_calls + 1;
  g_chained(signal, info, context);
}

TEST_F(SigbusChainTest, HandlerInstalledLaterMayChainToTheGuard) {
  EXPECT_EQ(InChild(Plain(SIG_DFL),
                    [](const Mapping& guarded, const Mapping&) {
                      struct sigaction guard;
                      const struct sigaction later = WithInfo(&CountAndChain);
                      sigaction(SIGBUS, nullptr, &guard);
                      g_chained = guard.sa_sigaction;
                      sigaction(SIGBUS, &later, nullptr);
                      Load(guarded.data());
                      return guarded.damaged() && g_calls == 1 ? 0 : 1;
                    }),
            "exit 0");
}

// A thread with a stale pointer races with the owner of the mapping, who takes it down: that is a
// bug in a program, and the kernel's answer is a signal. These let the thread live to do it again.
thread_local sigjmp_buf g_stale_pointer;
thread_local bool g_follows_stale_pointer = false;

void GiveUpStalePointer(int) {
  if (!g_follows_stale_pointer) _exit(3);  // Memory that was nobody's business has been hit.
  siglongjmp(g_stale_pointer, 1);
}

// Uninstrumented, since it races on purpose.
__attribute__((no_sanitize("thread", "address"), noinline)) void LoadThroughStalePointer(
    const volatile std::byte* at) {
  g_follows_stale_pointer = true;
  if (sigsetjmp(g_stale_pointer, /*savemask=*/1) == 0) (void)*at;
  g_follows_stale_pointer = false;
}

void Spin(uint32_t turns) {
  for (uint32_t i = 0; i < turns; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Unmaps a lost range while another thread is on its way into the handler for it, and maps
// another file at the same addresses. Returns how often that file was hidden: a handler that acts
// on what it found before would put its zeros there.
int ReplaceUnderTheHandler(MappedFile& file, uint32_t seed) {
  constexpr int kRounds = 20000;
  const uint64_t length = 2 * PageSize();
  const std::string bytes(length, '\5');
  UniqueFd fives(memfd_create("fives", MFD_CLOEXEC));
  if (pwrite(fives.get(), bytes.data(), length, 0) != static_cast<ssize_t>(length)) abort();
  std::atomic<const volatile std::byte*> target{nullptr};
  std::atomic<int> victims_round{0};
  std::thread victim([&] {
    for (int round = 1; round <= kRounds; ++round) {
      const volatile std::byte* at = nullptr;
      while ((at = target.exchange(nullptr)) == nullptr) std::this_thread::yield();
      victims_round = round;
      LoadThroughStalePointer(at);
    }
  });
  std::minstd_rand random(seed);
  int hidden = 0;
  for (int round = 1; round <= kRounds; ++round) {
    if (!file.Resize(length).ok()) abort();
    absl::StatusOr<Mapping> mapping =
        Mapping::MapWhole(file, {.protection = Protection::kReadWrite, .guarded = true});
    if (!mapping.ok() || !file.Resize(0).ok()) abort();
    std::byte* const at = mapping->mutable_data();
    target = at;
    while (victims_round != round) std::this_thread::yield();
    Spin(random() % 2000);
    mapping->Unmap().IgnoreError();
    void* const memory = mmap(at, length, PROT_READ, MAP_SHARED | MAP_FIXED, fives.get(), 0);
    if (memory != at) abort();
    Spin(2000);
    hidden += Load(at) != std::byte{5} || Load(at + PageSize()) != std::byte{5};
    munmap(memory, length);
  }
  victim.join();
  return hidden;
}

TEST_F(SigbusChainTest, RepairsTouchNoMemoryThatHasTakenAnUnmappedRangesPlace) {
  const uint32_t seed = std::random_device()();
  EXPECT_EQ(RunInChild([&] {
              alarm(200);  // A stale handler may also leave a range that faults for ever.
              const struct sigaction give_up = Plain(&GiveUpStalePointer);
              sigaction(SIGSEGV, &give_up, nullptr);
              sigaction(SIGBUS, &give_up, nullptr);
              if (!SigbusGuard::Install().ok()) return 1;
              return ReplaceUnderTheHandler(*file_, seed) == 0 ? 0 : 2;
            }),
            "exit 0")
      << "seed " << seed;
}

}  // namespace
}  // namespace causeway
