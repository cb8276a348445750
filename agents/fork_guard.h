// Keeps a forked child from passing for its parent.

#ifndef CAUSEWAY_AGENTS_FORK_GUARD_H_
#define CAUSEWAY_AGENTS_FORK_GUARD_H_

namespace causeway {

// The coordinator takes a closed connection for the first sign of a process's death. A child of
// fork() that does not exec() inherits the connection and would hold it open after its parent has
// died. So the child closes those that were remembered here, before fork() returns in it.
//
// Thread-safe. Holds up to kMaxConnections descriptors; what does not fit is not guarded.
class ForkGuard {
 public:
  static constexpr int kMaxConnections = 64;

  // `fd` stays the caller's, who calls Forget() before closing it.
  static void Remember(int fd);
  static void Forget(int fd);

  ForkGuard() = delete;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_FORK_GUARD_H_
