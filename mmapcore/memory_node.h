// Which NUMA node pages come from.

#ifndef CAUSEWAY_MMAPCORE_MEMORY_NODE_H_
#define CAUSEWAY_MMAPCORE_MEMORY_NODE_H_

#include <array>
#include <cstdint>
#include <optional>

namespace causeway {

// The node of the processor that the calling thread runs on. No system call on the usual machines.
// Nothing: the kernel does not say.
std::optional<uint32_t> CurrentMemoryNode();

// While it exists, pages that the calling thread allocates come from `node` while that has some,
// and from others then: those of shared files as well, whoever uses them later (set_mempolicy(),
// MPOL_PREFERRED). Afterwards the thread has the policy that it had. To be ended by the same
// thread.
//
// A preference costs nobody anything if it cannot be followed: a node that is not there, or a
// kernel that forbids the calls, changes nothing. `node` may come from anybody.
class PreferMemoryNode {
 public:
  // Nothing: changes nothing.
  explicit PreferMemoryNode(std::optional<uint32_t> node);
  ~PreferMemoryNode();
  PreferMemoryNode(const PreferMemoryNode&) = delete;
  PreferMemoryNode& operator=(const PreferMemoryNode&) = delete;

  // Whether the kernel took it.
  bool in_force() const { return in_force_; }

 private:
  static constexpr uint32_t kMaxNodes = 1024;  // what Linux can have
  using NodeMask = std::array<unsigned long, kMaxNodes / (8 * sizeof(unsigned long))>;

  bool in_force_ = false;
  int mode_before_ = 0;
  NodeMask nodes_before_{};
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_MEMORY_NODE_H_
