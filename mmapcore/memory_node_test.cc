#include "mmapcore/memory_node.h"

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "gtest/gtest.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

constexpr unsigned long kMaxNode = 1025;

struct Policy {
  int mode = -1;
  unsigned long nodes[16] = {};

  friend bool operator==(const Policy&, const Policy&) = default;
};

Policy OfThread() {
  Policy policy;
  if (syscall(SYS_get_mempolicy, &policy.mode, policy.nodes, kMaxNode, nullptr, 0) != 0) {
    policy.mode = -1;
  }
  return policy;
}

class MemoryNodeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (OfThread().mode < 0) GTEST_SKIP() << "get_mempolicy() is forbidden here";
  }
};

TEST_F(MemoryNodeTest, IsPreferredWhileTheObjectExists) {
  const Policy before = OfThread();
  {
    const PreferMemoryNode prefer(0);
    ASSERT_TRUE(prefer.in_force());
    EXPECT_EQ(OfThread().mode, MPOL_PREFERRED);
    EXPECT_EQ(OfThread().nodes[0], 1u);
  }
  EXPECT_EQ(OfThread(), before);
}

TEST_F(MemoryNodeTest, ThePolicyBeforeIsInForceAfterwards) {
  const unsigned long node_0 = 1;
  ASSERT_EQ(syscall(SYS_set_mempolicy, MPOL_BIND, &node_0, kMaxNode), 0);
  const Policy before = OfThread();
  {
    const PreferMemoryNode prefer(0);
  }
  EXPECT_EQ(OfThread(), before);
  EXPECT_EQ(syscall(SYS_set_mempolicy, MPOL_DEFAULT, nullptr, 0), 0);
}

TEST_F(MemoryNodeTest, ThatIsNotThereChangesNothing) {
  const Policy before = OfThread();
  for (const uint32_t node : {1023u, 1024u, ~0u}) {
    const PreferMemoryNode prefer(node);
    EXPECT_FALSE(prefer.in_force()) << node;
    EXPECT_EQ(OfThread(), before) << node;
  }
  const PreferMemoryNode prefer(std::nullopt);
  EXPECT_EQ(OfThread(), before);
}

// Where there is one node alone, it could not lie elsewhere; where there are more, it could.
TEST_F(MemoryNodeTest, HoldsThePagesOfASharedFileThatWereAllocatedForIt) {
  const std::optional<uint32_t> node = CurrentMemoryNode();
  ASSERT_TRUE(node.has_value());
  const int file = memfd_create("pages", MFD_CLOEXEC);
  const size_t page = PageSize();
  {
    const PreferMemoryNode prefer(node);
    ASSERT_EQ(fallocate(file, 0, 0, static_cast<off_t>(page)), 0);
  }
  void* mapped = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  std::memset(mapped, 1, page);
  int status = -1;
  if (syscall(SYS_move_pages, 0, 1UL, &mapped, nullptr, &status, 0) == 0) {
    EXPECT_EQ(status, static_cast<int>(*node));
  }
  munmap(mapped, page);
  close(file);
}

}  // namespace
}  // namespace causeway
