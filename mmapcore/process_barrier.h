// The asymmetric barrier between processes: it lets one side, the rare one, pay for a full barrier
// on both.
//
// To sleep safely, a reader stores "I am parked" and then looks for a frame; a writer stores a
// frame and then looks whether somebody is parked. One of the two must see the other, and that
// takes a full barrier between store and load on both sides: nanoseconds for every frame written,
// although readers park rarely. membarrier(2) with GLOBAL_EXPEDITED makes every running thread of
// every registered process execute one, at the caller's expense (about 20 us), so that writers need
// only keep the compiler from swapping the two.

#ifndef CAUSEWAY_MMAPCORE_PROCESS_BARRIER_H_
#define CAUSEWAY_MMAPCORE_PROCESS_BARRIER_H_

namespace causeway {

// Registers this process as one whose threads obey others' ProcessBarrier(). Cheap to repeat: only
// the first call of a process asks the kernel. True if the kernel (4.16 or newer; no seccomp filter
// in the way) agreed. False: this process must execute its own full barriers. Thread-safe.
bool RegisterForProcessBarriers();

// A full barrier in the calling thread and in every running thread of every registered process: of
// two accesses of such a thread, one of them before and one after its barrier, this thread's
// accesses before and after the call are ordered likewise. False if the kernel cannot: then the
// calling thread has executed a full barrier, the others have not, and the caller must not sleep
// for long. Thread-safe.
[[nodiscard]] bool ProcessBarrier();

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_PROCESS_BARRIER_H_
