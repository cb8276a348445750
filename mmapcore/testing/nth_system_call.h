// Makes the kernel refuse the n-th system call of a kind, once or for ever.

#ifndef CAUSEWAY_MMAPCORE_TESTING_NTH_SYSTEM_CALL_H_
#define CAUSEWAY_MMAPCORE_TESTING_NTH_SYSTEM_CALL_H_

#include <cstdint>
#include <span>

namespace causeway::testing {

// For children of fork(): there is no way back. Every call of a chosen kind, of the calling thread
// and of those that it starts later, is seen first by a signal handler (seccomp, SIGSYS), which
// counts it, and makes it or refuses it. Neither counted nor refused are anonymous mappings, which
// are the allocator's, MADV_DONTNEED and the unmapping of 8 MiB and more, which are for the stacks
// of threads that end, and those commands of fcntl() that make no descriptor.
//
// Returns false if the kernel does not allow filters. At most 32 kinds.
[[nodiscard]] bool WatchSystemCalls(std::span<const long> numbers);

// Counts from 1 again, and refuses nothing.
void RestartCounting();

// How many calls of this kind there were since.
int CallsOf(long number);

// From the `nth` call of this kind on, the caller gets `error`: that one call only, or every one
// `for_ever`.
void RefuseCall(long number, int nth, int error, bool for_ever);

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_NTH_SYSTEM_CALL_H_
