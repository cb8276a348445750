#include "agents/farewell.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "control/api/v1/handoff.pb.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"

namespace causeway {
namespace {

// Whether the thread that tells farewells is there.
bool Telling() {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(thread.path() / "comm") >> name;
    if (name == "causeway-bye") return true;
  }
  return false;
}

// How farewells reach a coordinator that is back is seen in recovery_test.
TEST(Farewell, IsForgottenWithTheDirectoryOfItsCoordinator) {
  std::optional<testing::ScratchDirectory> directory(std::in_place);
  v1::Hello hello;
  hello.set_leaving(true);
  SayFarewell(directory->path(), hello);
  ASSERT_TRUE(Telling());
  directory.reset();
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (Telling() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(Telling());
}

}  // namespace
}  // namespace causeway
