// How a thread that waits spends its time.

#ifndef CAUSEWAY_MMAPCORE_WAIT_MODE_H_
#define CAUSEWAY_MMAPCORE_WAIT_MODE_H_

namespace causeway {

enum class WaitMode {
  kSpin,      // never sleeps: the shortest reaction, one core
  kAdaptive,  // spins for a short time that adapts to what it finds, then sleeps
  kPark,      // sleeps at once: for many idle readers, or more processes than cores
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_WAIT_MODE_H_
