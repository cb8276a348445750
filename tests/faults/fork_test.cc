// What a child of fork() finds of its parent's lanes: nothing that it could damage.

#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/testing/child_process.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/subprocess.h"

namespace causeway {
namespace {

using ::causeway::testing::RunInChild;

constexpr absl::Duration kLong = absl::Minutes(1);
constexpr size_t kFrame = 4096;

// How a child ends that stores into `bytes`.
std::string StoreInChild(std::span<std::byte> bytes) {
  return RunInChild([bytes] {
    signal(SIGSEGV, SIG_DFL);  // Sanitizers have a handler of their own.
    for (std::byte& byte : bytes) const_cast<volatile std::byte&>(byte) = std::byte{0xEE};
    return 0;
  });
}

TEST(Fork, AChildCannotStoreIntoItsParentsLane) {
  CoordinatorProcess coordinator;
  AgentOptions options;
  options.dir = coordinator.dir();
  options.name = "parent";
  const auto agent = *Agent::Attach(options);
  const auto writer = *agent->OpenWriter("numbers");
  const auto own_reader = *agent->OpenReader("numbers");
  ChildProcess reader({TestProgram("agents/testing/agent_peer")});
  ASSERT_EQ(reader.Ask("attach " + coordinator.dir() + " reader").substr(0, 3), "ok ");
  ASSERT_EQ(reader.Ask("read_from numbers"), "ok");
  ASSERT_TRUE(writer->WaitForReaders(2, kLong).ok());
  for (uint64_t i = 0; i < 10; ++i) {
    const absl::StatusOr<std::span<std::byte>> room = writer->Claim(kFrame, kLong);
    ASSERT_TRUE(room.ok()) << room.status();
    FillPattern(i, *room);
    EXPECT_EQ(StoreInChild(*room), "signal 11 (SIGSEGV)");
    // Nor can it commit: the frame before this one is where the header word would be.
    EXPECT_EQ(StoreInChild({room->data() - sizeof(uint64_t), sizeof(uint64_t)}),
              "signal 11 (SIGSEGV)");
    ASSERT_TRUE(writer->Commit(kFrame));
  }
  EXPECT_EQ(reader.Ask("read 10"), "ok 0 9");
  const absl::StatusOr<Delivery> own = own_reader->Next(kLong);
  ASSERT_TRUE(own.ok() && own->kind == Delivery::Kind::kFrame) << own.status();
  // What the parent reads, a child does not have either: no page is kept by it.
  const std::byte* const frame = own->frame.payload.data();
  EXPECT_EQ(RunInChild([frame] {
              signal(SIGSEGV, SIG_DFL);
              return static_cast<int>(*const_cast<const volatile std::byte*>(frame));
            }),
            "signal 11 (SIGSEGV)");
  EXPECT_TRUE(agent->connected());
}

}  // namespace
}  // namespace causeway
