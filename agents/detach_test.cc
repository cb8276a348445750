// What an agent does about a session whose end its coordinator could not store.

#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/agent.h"
#include "agents/testing/fake_calls.h"
#include "agents/testing/fake_coordinator.h"
#include "control/api/v1/handoff.pb.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

constexpr uint64_t kSession = 7;

class DetachTest : public ::testing::Test {
 protected:
  // Attaches to a coordinator that answers so, and detaches.
  absl::Status DetachAnswered(absl::StatusCode code) {
    const FakeCalls calls(coordinator_.dir(), code, "not stored", "with details");
    std::thread handoff([this] {
      coordinator_.AcceptHello();
      coordinator_.Welcome(kSession, /*resumed=*/false);
      v1::HandoffEvent done;
      done.mutable_snapshot_done();
      coordinator_.Say(done);
    });
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = "leaver";
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    handoff.join();
    if (!agent.ok()) return agent.status();
    return (*agent)->Detach();
  }

  FakeCoordinator coordinator_;
};

// The session may be in the state that the next coordinator opens.
TEST_F(DetachTest, TakesLeaveOfTheNextCoordinatorAfterOneThatFailed) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kDataLoss, absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kInternal, absl::StatusCode::kUnavailable}) {
    SCOPED_TRACE(absl::StatusCodeToString(code));
    const absl::Status detached = DetachAnswered(code);
    EXPECT_EQ(detached.code(), code) << detached;
    // Nobody else would come.
    const v1::Hello farewell = coordinator_.AcceptHello();
    EXPECT_TRUE(farewell.leaving());
    EXPECT_EQ(farewell.session_id(), kSession);
    coordinator_.Welcome(kSession, /*resumed=*/true);
    coordinator_.HangUp();
  }
}

TEST_F(DetachTest, OfASessionThatTheCoordinatorDoesNotKnowIsDone) {
  EXPECT_TRUE(DetachAnswered(absl::StatusCode::kNotFound).ok());
}

}  // namespace
}  // namespace causeway
