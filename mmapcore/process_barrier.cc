#include "mmapcore/process_barrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace causeway {
namespace {

bool Membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0) == 0; }

}  // namespace

bool RegisterForProcessBarriers() {
  // The registration belongs to the address space and is copied by fork().
  static const bool registered = Membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
  return registered;
}

bool ProcessBarrier() {
  if (Membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED)) {
    // The system call is a full barrier for its caller, but says so to no compiler or sanitizer.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return true;
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return false;
}

}  // namespace causeway
