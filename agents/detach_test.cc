// What an agent does about a session whose end its coordinator could not store.

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/agent.h"
#include "agents/testing/fake_coordinator.h"
#include "control/api/v1/agents.grpc.pb.h"
#include "control/api/v1/handoff.pb.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

constexpr uint64_t kSession = 7;

// Answers Detach() as it is told, and no other call.
class Detaching final : public v1::Agents::Service {
 public:
  explicit Detaching(grpc::Status answer) : answer_(std::move(answer)) {}

  grpc::Status Detach(grpc::ServerContext*, const v1::DetachRequest*,
                      v1::DetachResponse*) override {
    return answer_;
  }

 private:
  const grpc::Status answer_;
};

class DetachTest : public ::testing::Test {
 protected:
  // Attaches to a coordinator that answers so, and detaches.
  absl::Status DetachAnswered(const grpc::Status& answer) {
    Detaching service(answer);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + coordinator_.dir() + "/control.sock",
                             grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr) return absl::InternalError("no server");
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
    const absl::Status detached = (*agent)->Detach();
    server->Shutdown();
    return detached;
  }

  FakeCoordinator coordinator_;
};

// The session may be in the state that the next coordinator opens.
TEST_F(DetachTest, TakesLeaveOfTheNextCoordinatorAfterOneThatFailed) {
  for (const grpc::StatusCode code :
       {grpc::StatusCode::DATA_LOSS, grpc::StatusCode::RESOURCE_EXHAUSTED,
        grpc::StatusCode::INTERNAL, grpc::StatusCode::UNAVAILABLE}) {
    SCOPED_TRACE(code);
    const absl::Status detached = DetachAnswered({code, "not stored"});
    EXPECT_EQ(static_cast<int>(detached.code()), static_cast<int>(code)) << detached;
    // Nobody else would come.
    const v1::Hello farewell = coordinator_.AcceptHello();
    EXPECT_TRUE(farewell.leaving());
    EXPECT_EQ(farewell.session_id(), kSession);
    coordinator_.Welcome(kSession, /*resumed=*/true);
    coordinator_.HangUp();
  }
}

TEST_F(DetachTest, OfASessionThatTheCoordinatorDoesNotKnowIsDone) {
  EXPECT_TRUE(DetachAnswered({grpc::StatusCode::NOT_FOUND, "no such session"}).ok());
}

}  // namespace
}  // namespace causeway
