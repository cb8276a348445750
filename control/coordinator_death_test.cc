// Agents that die, and coordinators that do.

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/api/seqpacket/seqpacket.h"
#include "control/process/testing/child_process.h"
#include "control/process/testing/unix_connection.h"
#include "control/testing/coordinator_process.h"
#include "control/testing/rpc_client.h"
#include "control/testing/served_directory.h"
#include "control/testing/test_agent.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using testing::AdminClient;
using testing::AgentsClient;
using testing::CoordinatorProcess;
using testing::ForkedAgent;
using testing::IsOk;
using testing::ReceivedEvent;
using testing::ServedDirectory;
using testing::TestAgent;

v1::OpenWriterRequest Writer() {
  v1::OpenWriterRequest request;
  request.set_stream("video");
  request.set_create_if_missing(true);
  return request;
}

v1::OpenReaderRequest Reader() {
  v1::OpenReaderRequest request;
  request.set_stream("video");
  request.set_create_if_missing(true);
  return request;
}

class CoordinatorDeathTest : public ::testing::Test {
 protected:
  CoordinatorDeathTest() { Restart(); }

  // Kills the coordinator, if there is one, and starts the next.
  void Restart() {
    if (coordinator_ != nullptr) coordinator_->Kill();
    coordinator_.reset();
    coordinator_ = std::make_unique<CoordinatorProcess>(directory_);
    ASSERT_TRUE(coordinator_->ready()) << coordinator_->Log();
  }

  AgentsClient CallsOf(const std::string& token) { return AgentsClient(directory_, token); }
  AdminClient Admin() { return AdminClient(directory_); }

  // Files of lanes and cursors that are left in the coordinator's directories.
  size_t FilesLeft() {
    size_t files = 0;
    const std::string in_memory = Admin().DescribeCoordinator()->volatile_directory() + "/files";
    for (const std::string& path : {directory_ + "/files", in_memory}) {
      for (const auto& entry : std::filesystem::directory_iterator(path)) {
        files += entry.is_regular_file();
      }
    }
    return files;
  }

  ServedDirectory served_;
  const std::string directory_ = served_.path();
  std::unique_ptr<CoordinatorProcess> coordinator_;
};

TEST_F(CoordinatorDeathTest, ReadersHearThatAWriterWasKilled) {
  TestAgent reader(directory_);
  ASSERT_THAT(CallsOf(reader.token()).OpenReader(Reader()), IsOk());
  ForkedAgent writer(directory_);
  const absl::StatusOr<v1::OpenWriterResponse> lane = CallsOf(writer.token()).OpenWriter(Writer());
  ASSERT_THAT(lane, IsOk());
  ASSERT_EQ(reader.ReceiveUntil(v1::HandoffEvent::kLaneOpened).event.lane_opened().lane_id(),
            lane->lane_id());

  writer.process().Kill();

  const ReceivedEvent ended = reader.ReceiveUntil(v1::HandoffEvent::kLaneEnded);
  EXPECT_EQ(ended.event.lane_ended().lane_id(), lane->lane_id());
  EXPECT_EQ(ended.event.lane_ended().cause(), v1::END_CAUSE_DIED);
}

TEST_F(CoordinatorDeathTest, WritersHearThatAReaderWasKilled) {
  TestAgent writer(directory_);
  ASSERT_THAT(CallsOf(writer.token()).OpenWriter(Writer()), IsOk());
  ForkedAgent reader(directory_);
  const absl::StatusOr<v1::OpenReaderResponse> opened =
      CallsOf(reader.token()).OpenReader(Reader());
  ASSERT_THAT(opened, IsOk());
  const ReceivedEvent joined = writer.ReceiveUntil(v1::HandoffEvent::kReaderJoined);

  reader.process().Kill();

  const ReceivedEvent left = writer.ReceiveUntil(v1::HandoffEvent::kReaderLeft);
  EXPECT_EQ(left.event.reader_left().reader_id(), opened->reader_id());
  EXPECT_EQ(left.event.reader_left().cause(), v1::END_CAUSE_DIED);
  EXPECT_GT(left.event.reader_left().roster_version(),
            joined.event.reader_joined().roster_version());
}

TEST_F(CoordinatorDeathTest, NothingIsLeftOfAHundredKilledAgents) {
  TestAgent reader(directory_);
  AgentsClient reader_calls = CallsOf(reader.token());
  const absl::StatusOr<v1::OpenReaderResponse> opened = reader_calls.OpenReader(Reader());
  ASSERT_THAT(opened, IsOk());
  for (int i = 0; i < 100; ++i) {
    ForkedAgent writer(directory_);
    ASSERT_THAT(CallsOf(writer.token()).OpenWriter(Writer()), IsOk());
    writer.process().Kill();
    const ReceivedEvent ended = reader.ReceiveUntil(v1::HandoffEvent::kLaneEnded);
    v1::ReleaseLaneRequest release;
    release.set_reader_id(opened->reader_id());
    release.set_lane_id(ended.event.lane_ended().lane_id());
    ASSERT_THAT(reader_calls.ReleaseLane(release), IsOk());
  }
  EXPECT_EQ(Admin().ListAgents()->agents_size(), 1);
  EXPECT_EQ(Admin().ListFiles()->files_size(), 1);  // The reader's cursors.
  ASSERT_THAT(reader_calls.Detach(), IsOk());
  EXPECT_EQ(Admin().DescribeCoordinator()->granted_bytes(), 0u);
}

TEST_F(CoordinatorDeathTest, NothingIsLeftOfAgentsThatWereKilledBeforeTheirWelcome) {
  v1::HandoffRequest request;
  request.mutable_hello()->set_protocol_version(1);
  request.mutable_hello()->set_agent_name("hasty");
  const std::string path = directory_ + "/handoff.sock";
  for (int i = 0; i < 200; ++i) {
    request.mutable_hello()->set_nonce(std::string(14, 'x') + static_cast<char>('a' + i / 16) +
                                       static_cast<char>('a' + i % 16));
    testing::ChildProcess hasty([&, hello = request.SerializeAsString()] {
      static UniqueFd connection = testing::ConnectSeqpacket(path.c_str());
      SendDatagram(connection.get(), hello).IgnoreError();
      kill(getpid(), SIGKILL);
    });
    hasty.Reap();
  }
  // Whoever attaches now does so after the last of them; their ends are being noticed.
  TestAgent last(directory_);
  int agents = 0;
  for (int i = 0; i < 1000; ++i) {
    agents = Admin().ListAgents()->agents_size();
    if (agents == 1) break;
  }
  EXPECT_EQ(agents, 1);
}

TEST_F(CoordinatorDeathTest, ARestartedCoordinatorKnowsItsAgentsAgain) {
  TestAgent agent(directory_);
  ASSERT_THAT(CallsOf(agent.token()).OpenReader(Reader()), IsOk());
  const absl::StatusOr<v1::OpenWriterResponse> lane = CallsOf(agent.token()).OpenWriter(Writer());
  ASSERT_THAT(lane, IsOk());
  const uint64_t granted = Admin().DescribeCoordinator()->granted_bytes();

  Restart();

  EXPECT_EQ(agent.ReceiveUntil(v1::HandoffEvent::EVENT_NOT_SET).event.event_case(),
            v1::HandoffEvent::EVENT_NOT_SET);
  EXPECT_EQ(Admin().DescribeCoordinator()->granted_bytes(), granted);
  TestAgent again(directory_, agent);
  ASSERT_TRUE(again.attached()) << again.refusal().message();
  EXPECT_EQ(again.welcome().coordinator_epoch(), agent.welcome().coordinator_epoch() + 1);
  const ReceivedEvent opened = again.ReceiveUntil(v1::HandoffEvent::kLaneOpened);
  EXPECT_EQ(opened.event.lane_opened().lane_id(), lane->lane_id());
  EXPECT_TRUE(opened.descriptor.valid());
  again.ReceiveUntil(v1::HandoffEvent::kSnapshotDone);
  v1::GrantSegmentRequest grant;
  grant.set_lane_id(lane->lane_id());
  EXPECT_THAT(CallsOf(agent.token()).GrantSegment(grant), IsOk());
}

TEST_F(CoordinatorDeathTest, ARestartedCoordinatorCollectsThoseThatDiedMeanwhile) {
  TestAgent reader(directory_);
  AgentsClient reader_calls = CallsOf(reader.token());
  const absl::StatusOr<v1::OpenReaderResponse> opened = reader_calls.OpenReader(Reader());
  ASSERT_THAT(opened, IsOk());
  std::optional<ForkedAgent> writer(std::in_place, directory_);
  ASSERT_THAT(CallsOf(writer->token()).OpenWriter(Writer()), IsOk());
  EXPECT_EQ(FilesLeft(), 2u);

  coordinator_->Kill();
  coordinator_->Wait();
  writer.reset();
  Restart();

  EXPECT_EQ(Admin().ListAgents()->agents_size(), 1);
  TestAgent again(directory_, reader);
  ASSERT_TRUE(again.attached()) << again.refusal().message();
  const ReceivedEvent ended = again.ReceiveUntil(v1::HandoffEvent::kLaneEnded);
  EXPECT_EQ(ended.event.lane_ended().cause(), v1::END_CAUSE_DIED);
  v1::ReleaseLaneRequest release;
  release.set_reader_id(opened->reader_id());
  release.set_lane_id(ended.event.lane_ended().lane_id());
  EXPECT_THAT(CallsOf(reader.token()).ReleaseLane(release), IsOk());
  EXPECT_THAT(CallsOf(reader.token()).Detach(), IsOk());
  EXPECT_EQ(Admin().ListFiles()->files_size(), 0);
  Restart();  // Whatever was still being removed is removed now.
  EXPECT_EQ(FilesLeft(), 0u);
}

TEST_F(CoordinatorDeathTest, ARestartedCoordinatorNoticesADeathBeforeTheAgentResumed) {
  TestAgent reader(directory_);
  ASSERT_THAT(CallsOf(reader.token()).OpenReader(Reader()), IsOk());
  ForkedAgent writer(directory_);
  ASSERT_THAT(CallsOf(writer.token()).OpenWriter(Writer()), IsOk());
  Restart();
  TestAgent again(directory_, reader);
  again.ReceiveUntil(v1::HandoffEvent::kSnapshotDone);
  writer.process().Kill();
  const ReceivedEvent ended = again.ReceiveUntil(v1::HandoffEvent::kLaneEnded);
  EXPECT_EQ(ended.event.lane_ended().cause(), v1::END_CAUSE_DIED);
}

TEST_F(CoordinatorDeathTest, SurvivesBeingKilledAgainAndAgain) {
  TestAgent first(directory_);
  ASSERT_THAT(CallsOf(first.token()).OpenWriter(Writer()), IsOk());
  auto agent = std::make_unique<TestAgent>(std::move(first));
  for (int i = 0; i < 10; ++i) {
    Restart();
    auto again = std::make_unique<TestAgent>(directory_, *agent);
    ASSERT_TRUE(again->attached()) << again->refusal().message();
    agent = std::move(again);
  }
  EXPECT_EQ(Admin().ListFiles()->files_size(), 1);
  EXPECT_EQ(FilesLeft(), 1u);
}

}  // namespace
}  // namespace causeway
