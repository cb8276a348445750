#include "agents/fork_guard.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>

namespace causeway {
namespace {

// Descriptor + 1, so that zero is "free". Atomics, since the child of fork() may take no lock: the
// thread that held it does not exist there.
std::array<std::atomic<int>, ForkGuard::kMaxConnections> connections = {};

void CloseInChild() {
  for (std::atomic<int>& slot : connections) {
    const int fd = slot.exchange(0, std::memory_order_relaxed) - 1;
    if (fd >= 0) close(fd);
  }
}

}  // namespace

void ForkGuard::Remember(int fd) {
  static const int registered = pthread_atfork(nullptr, nullptr, &CloseInChild);
  if (registered != 0) return;
  for (std::atomic<int>& slot : connections) {
    int free = 0;
    if (slot.compare_exchange_strong(free, fd + 1, std::memory_order_relaxed)) return;
  }
}

void ForkGuard::Forget(int fd) {
  for (std::atomic<int>& slot : connections) {
    int mine = fd + 1;
    if (slot.compare_exchange_strong(mine, 0, std::memory_order_relaxed)) return;
  }
}

}  // namespace causeway
