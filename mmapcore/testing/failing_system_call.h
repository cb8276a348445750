// Makes the kernel refuse a system call, to see what the code above does about it.

#ifndef CAUSEWAY_MMAPCORE_TESTING_FAILING_SYSTEM_CALL_H_
#define CAUSEWAY_MMAPCORE_TESTING_FAILING_SYSTEM_CALL_H_

#include <cstdint>
#include <optional>

namespace causeway::testing {

// Of all calls, those to fail: with the argument of this index (0 to 5) at least `value`, of which
// and of the argument only the lower 32 bits count.
struct ArgumentAtLeast {
  int index;
  uint32_t value;
};

// From now on and until its end, the calling thread gets `error` from the system call `number`
// (such as SYS_msync), which does nothing else. For children of fork(): there is no way back.
// Returns false if the kernel does not allow filters (seccomp).
[[nodiscard]] bool FailSystemCall(long number, int error,
                                  std::optional<ArgumentAtLeast> only = std::nullopt);

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_FAILING_SYSTEM_CALL_H_
