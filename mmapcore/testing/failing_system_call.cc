#include "mmapcore/testing/failing_system_call.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <bit>
#include <cstddef>

namespace causeway::testing {

bool FailSystemCall(long number, int error, std::optional<ArgumentAtLeast> only) {
  static_assert(std::endian::native == std::endian::little, "the lower half comes first");
  const ArgumentAtLeast argument = only.value_or(ArgumentAtLeast{.index = 0, .value = 0});
  const uint32_t argument_offset =
      offsetof(seccomp_data, args) + static_cast<uint32_t>(argument.index) * sizeof(uint64_t);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument_offset),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, argument.value, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace causeway::testing
