// A service whose requesters and responder are processes of their own, which are stopped, killed
// and started again.

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/requester.h"
#include "agents/testing/child_process.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

// Ends a failed run only.
constexpr absl::Duration kLong = absl::Minutes(1);

class ServiceProcessTest : public ::testing::Test {
 protected:
  std::unique_ptr<ChildProcess> Start(const std::string& name) {
    auto peer = std::make_unique<ChildProcess>(
        std::vector<std::string>{TestProgram("agents/testing/service_peer")});
    EXPECT_EQ(peer->Ask(absl::StrCat("attach ", coordinator_.dir(), " ", name)), "ok");
    return peer;
  }

  std::unique_ptr<ChildProcess> StartResponder() {
    std::unique_ptr<ChildProcess> responder = Start("responder");
    EXPECT_EQ(responder->Ask("serve s"), "ok");
    return responder;
  }

  // Opens a requester in this process.
  Requester& OpenRequester() {
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = "requester";
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    EXPECT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
    absl::StatusOr<std::unique_ptr<Requester>> requester = Requester::Open(*agent_, "s");
    EXPECT_TRUE(requester.ok()) << requester.status();
    requester_ = *std::move(requester);
    return *requester_;
  }

  absl::StatusOr<RequestId> Send(uint64_t number, absl::Duration timeout) {
    std::vector<std::byte> bytes(64);
    FillPattern(number, bytes);
    return requester_->Send(bytes, timeout);
  }

  // A request that is answered, however long it takes.
  void ExpectResponse(uint64_t number) {
    const absl::StatusOr<RequestId> id = Send(number, kLong);
    ASSERT_TRUE(id.ok()) << id.status();
    const absl::StatusOr<std::span<const std::byte>> response = requester_->Wait(*id);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(CheckPattern(*response), number + 1);
  }

  CoordinatorProcess coordinator_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Requester> requester_;
};

TEST_F(ServiceProcessTest, EachRequesterGetsItsOwnResponses) {
  std::vector<std::unique_ptr<ChildProcess>> requesters;
  for (int i = 0; i < 3; ++i) requesters.push_back(Start("requester"));
  for (size_t i = 0; i < requesters.size(); ++i) {
    requesters[i]->Send(absl::StrCat("ask s 3000 ", 32 << i, " ", 1 + i * 1'000'000));
  }
  // They wait for it.
  const std::unique_ptr<ChildProcess> responder = StartResponder();
  for (const auto& requester : requesters) EXPECT_EQ(requester->ReadLine(), "ok");
}

TEST_F(ServiceProcessTest, AKilledRequesterHarmsNobody) {
  const std::unique_ptr<ChildProcess> responder = StartResponder();
  OpenRequester();
  for (uint64_t kill = 0; kill < 3; ++kill) {
    const std::unique_ptr<ChildProcess> killed = Start("killed");
    killed->Send("ask s 100000000 4096 1");
    for (uint64_t i = 0; i < 300; ++i) ExpectResponse(1 + i);
    killed->Kill();
    for (uint64_t i = 0; i < 300; ++i) ExpectResponse(1 + i);
  }
  EXPECT_EQ(requester_->counters().late, 0u);
}

TEST_F(ServiceProcessTest, AKilledResponderIsUnavailableUntilTheNextIsThere) {
  OpenRequester();
  for (uint64_t life = 0; life < 4; ++life) {
    const std::unique_ptr<ChildProcess> responder = StartResponder();
    for (uint64_t i = 0; i < 100; ++i) ExpectResponse(1 + i);
    const absl::StatusOr<RequestId> id = Send(0, kLong);  // Nobody answers this one.
    ASSERT_TRUE(id.ok()) << id.status();
    responder->Kill();
    const absl::Status status = requester_->Wait(*id).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  }
  EXPECT_EQ(requester_->counters().answered, 400u);
  EXPECT_EQ(requester_->counters().failed, 4u);
}

TEST_F(ServiceProcessTest, AStoppedResponderIsADeadlineThatPasses) {
  const std::unique_ptr<ChildProcess> responder = StartResponder();
  OpenRequester();
  ExpectResponse(1);
  responder->Signal(SIGSTOP);
  responder->AwaitStop();
  const absl::StatusOr<RequestId> id = Send(2, absl::Milliseconds(30));
  ASSERT_TRUE(id.ok()) << id.status();
  const absl::Status status = requester_->Wait(*id).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  responder->Signal(SIGCONT);
  for (uint64_t i = 0; i < 100; ++i) ExpectResponse(3 + i);
  // It was not carried out, as its deadline had passed.
  EXPECT_EQ(requester_->counters().late, 0u);
}

}  // namespace
}  // namespace causeway
