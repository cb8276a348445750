#include "mmapcore/background_thread.h"

#include <pthread.h>

#include <csignal>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace causeway {

absl::StatusOr<std::thread> StartBackgroundThread(const char* name, std::function<void()> body) {
  // The new thread inherits the mask of the one that starts it, so that there is no moment at which
  // it could take a signal.
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (int signal : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    sigdelset(&blocked, signal);
  }
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  absl::StatusOr<std::thread> thread = absl::InternalError("not started");
  // std::thread reports its failure by an exception; it ends here.
  try {
    thread = std::thread(std::move(body));
    pthread_setname_np(thread->native_handle(), name);
  } catch (const std::system_error& error) {
    thread = absl::ResourceExhaustedError(
        absl::StrCat("cannot start the thread ", name, ": ", error.what(),
                     "; raise the limit of threads (RLIMIT_NPROC, cgroup pids.max)"));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace causeway
