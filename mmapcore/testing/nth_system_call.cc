#include "mmapcore/testing/nth_system_call.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <vector>

// A system call at an address that is known: what is called from there is let through.
asm(R"(
    .pushsection .text
    .globl causeway_bare_system_call
    .type causeway_bare_system_call, @function
causeway_bare_system_call:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
    .globl causeway_bare_system_call_end
causeway_bare_system_call_end:
    ret
    .size causeway_bare_system_call, .-causeway_bare_system_call
    .popsection
)");
extern "C" long causeway_bare_system_call(long number, long a, long b, long c, long d, long e,
                                          long f);
extern "C" const char causeway_bare_system_call_end[];

namespace causeway::testing {
namespace {

constexpr size_t kMaxKinds = 32;
constexpr uint32_t kLeastStackBytes = 8 << 20;

struct Kind {
  long number = -1;
  std::atomic<int> calls = 0;
  std::atomic<int> refuse_from = 0;  // 0: none
  std::atomic<int> refuse_to = 0;
  std::atomic<int> error = 0;
};

// Read by the signal handler; written before the filter is there, but for the atomics.
std::array<Kind, kMaxKinds> kinds;

Kind* Find(long number) {
  for (Kind& kind : kinds) {
    if (kind.number == number) return &kind;
  }
  return nullptr;
}

// Whether a call may be refused. Not the allocator's wish for memory, without which no process goes
// on, and not the commands of fcntl() that cannot fail.
bool IsRefusable(long number, const gregset_t& registers) {
  if (number == SYS_mmap) return (registers[REG_R10] & MAP_ANONYMOUS) == 0;
  if (number == SYS_fcntl) {
    return registers[REG_RSI] == F_DUPFD || registers[REG_RSI] == F_DUPFD_CLOEXEC;
  }
  return true;
}

void OnSystemCall(int, siginfo_t* info, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  Kind* const kind = Find(info->si_syscall);
  const bool refusable = IsRefusable(info->si_syscall, registers);
  const int call = refusable ? kind->calls.fetch_add(1) + 1 : 0;
  if (refusable && kind->refuse_from != 0 && call >= kind->refuse_from && call <= kind->refuse_to) {
    registers[REG_RAX] = -kind->error;
    return;
  }
  registers[REG_RAX] = causeway_bare_system_call(
      info->si_syscall, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
      registers[REG_R10], registers[REG_R8], registers[REG_R9]);
}

}  // namespace

bool WatchSystemCalls(std::span<const long> numbers) {
  if (numbers.size() > kMaxKinds) return false;
  struct sigaction action = {};
  action.sa_sigaction = OnSystemCall;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGSYS, &action, nullptr) != 0) return false;

  const auto after = reinterpret_cast<uint64_t>(causeway_bare_system_call_end);
  const auto low = static_cast<uint32_t>(after);
  const auto high = static_cast<uint32_t>(after >> 32);
  constexpr uint32_t kPointer = offsetof(seccomp_data, instruction_pointer);
  std::vector<sock_filter> filter = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPointer),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPointer + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      // A thread that ends gives its stack back while it blocks all signals: no handler runs then.
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + 2 * sizeof(uint64_t)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_DONTNEED, 0, 5),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + sizeof(uint64_t)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kLeastStackBytes, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (size_t i = 0; i < numbers.size(); ++i) {
    kinds[i].number = numbers[i];
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(numbers[i]), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program = {.len = static_cast<unsigned short>(filter.size()),
                              .filter = filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

void RestartCounting() {
  for (Kind& kind : kinds) {
    kind.refuse_from = 0;
    kind.calls = 0;
  }
}

int CallsOf(long number) {
  const Kind* const kind = Find(number);
  return kind == nullptr ? 0 : kind->calls.load();
}

void RefuseCall(long number, int nth, int error, bool for_ever) {
  Kind* const kind = Find(number);
  kind->error = error;
  kind->refuse_to = for_ever ? INT32_MAX : nth;
  kind->refuse_from = nth;
}

}  // namespace causeway::testing
