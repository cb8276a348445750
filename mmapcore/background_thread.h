// Threads that a library starts in somebody else's process.

#ifndef CAUSEWAY_MMAPCORE_BACKGROUND_THREAD_H_
#define CAUSEWAY_MMAPCORE_BACKGROUND_THREAD_H_

#include <functional>
#include <thread>

#include "absl/status/statusor.h"

namespace causeway {

// Starts a thread that runs `body` and is called `name` (at most 15 bytes) in ps and debuggers. It
// takes none of the process's signals, which belong to the application's threads, but for those
// that a thread's own instructions cause.
//
// ResourceExhausted: the process may have no more threads.
absl::StatusOr<std::thread> StartBackgroundThread(const char* name, std::function<void()> body);

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_BACKGROUND_THREAD_H_
