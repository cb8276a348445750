// A short run of the stress program. No time is asserted: a machine may be busy.

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "mmapcore/testing/subprocess.h"

namespace causeway {
namespace {

int WakeStress(const std::string& flags) {
  const std::string command =
      testing::Runfile("mmapcore/wake_stress") + " --max_stall_ms=0 " + flags;
  return std::system(command.c_str());
}

TEST(WakeStress, LosesNoFrameParked) { EXPECT_EQ(WakeStress("--mode=park --handoffs=20000"), 0); }

TEST(WakeStress, LosesNoFrameAdaptive) {
  EXPECT_EQ(WakeStress("--mode=adaptive --handoffs=20000"), 0);
}

TEST(WakeStress, LosesNoFrameWhileOthersAreKilledInTheirSleep) {
  EXPECT_EQ(WakeStress("--mode=park --handoffs=20000 --kill_every=200 --seed=7"), 0);
}

}  // namespace
}  // namespace causeway
