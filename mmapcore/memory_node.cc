#include "mmapcore/memory_node.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>

namespace causeway {

std::optional<uint32_t> CurrentMemoryNode() {
  unsigned processor = 0;
  unsigned node = 0;
  if (getcpu(&processor, &node) != 0) return std::nullopt;
  return node;
}

// The kernel reads one bit less than it is told of.
PreferMemoryNode::PreferMemoryNode(std::optional<uint32_t> node) {
  if (!node.has_value() || *node >= kMaxNodes) return;
  if (syscall(SYS_get_mempolicy, &mode_before_, nodes_before_.data(), kMaxNodes + 1, nullptr, 0) !=
      0) {
    return;
  }
  constexpr uint32_t kBits = 8 * sizeof(unsigned long);
  NodeMask nodes{};
  nodes[*node / kBits] = 1UL << (*node % kBits);
  in_force_ = syscall(SYS_set_mempolicy, MPOL_PREFERRED, nodes.data(), kMaxNodes + 1) == 0;
}

PreferMemoryNode::~PreferMemoryNode() {
  // It was in force before, so the kernel takes it; if not, the thread goes on with a preference.
  if (in_force_) syscall(SYS_set_mempolicy, mode_before_, nodes_before_.data(), kMaxNodes + 1);
}

}  // namespace causeway
