// What the processor should know about loops that spin, and about lines that are about to be
// written.

#ifndef CAUSEWAY_MMAPCORE_SPIN_PAUSE_H_
#define CAUSEWAY_MMAPCORE_SPIN_PAUSE_H_

namespace causeway {

// Some ten nanoseconds of doing nothing, at the other hardware thread's or the hypervisor's profit.
inline void SpinPause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Fetches the line for writing, so that a store to it soon need not wait. Never faults.
inline void PrefetchForStore(const void* address) {
#if defined(__x86_64__)
  // __builtin_prefetch() knows the instruction only where -mprfchw is given. Older processors take
  // it for a NOP.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_SPIN_PAUSE_H_
