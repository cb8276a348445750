#include "agents/lane_registry.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "agents/testing/child_process.h"
#include "agents/testing/local_stream.h"
#include "gtest/gtest.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

constexpr absl::Duration kLong = absl::Seconds(60);

// Files of lane 1 and of reader 7.
constexpr uint64_t kLaneFile = 101;
constexpr uint64_t kCursorFile = 107;

class LaneRegistryTest : public ::testing::Test {
 protected:
  LaneRegistryTest() : registry_([this](const AgentEvent& event) { told_.push_back(event.kind); }) {
    stream_.AddWriter(1);
    stream_.AddReader(7);
    lane_ = stream_.shared_writer(1);
    lanes_ = stream_.shared_reader(7);
    registry_.Connected(false);
  }

  static UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }
  static UniqueFd Anonymous() { return UniqueFd(memfd_create("registry", MFD_CLOEXEC)); }

  HandoffMessage Granted(uint64_t file_id, v1::Protection protection = v1::PROTECTION_READ_WRITE) {
    HandoffMessage message;
    message.event.mutable_descriptor_granted()->set_file_id(file_id);
    message.event.mutable_descriptor_granted()->set_protection(protection);
    message.fd = Anonymous();
    return message;
  }

  HandoffMessage Joined(uint64_t reader_id, uint64_t length = kHeaderPageBytes) {
    HandoffMessage message;
    v1::ReaderJoined& joined = *message.event.mutable_reader_joined();
    joined.set_lane_id(1);
    joined.set_reader_id(reader_id);
    joined.set_roster_version(++version_);
    joined.mutable_cursor()->set_length(length);
    message.fd = Anonymous();
    EXPECT_EQ(ftruncate(message.fd.get(), kHeaderPageBytes), 0);
    return message;
  }

  HandoffMessage Left(uint64_t reader_id) {
    HandoffMessage message;
    v1::ReaderLeft& left = *message.event.mutable_reader_left();
    left.set_lane_id(1);
    left.set_reader_id(reader_id);
    left.set_roster_version(++version_);
    left.set_cause(v1::END_CAUSE_DIED);
    return message;
  }

  HandoffMessage Opened(uint64_t lane_id, uint64_t cursor_page) {
    HandoffMessage message;
    v1::LaneOpened& opened = *message.event.mutable_lane_opened();
    opened.set_reader_id(7);
    opened.set_lane_id(lane_id);
    opened.set_stream_id(1);
    opened.set_epoch(3);
    opened.mutable_lane_page()->set_length(kHeaderPageBytes);
    opened.mutable_cursor()->set_length(kHeaderPageBytes);
    opened.mutable_cursor()->set_offset(cursor_page * kHeaderPageBytes);
    message.fd = Duplicate(stream_.lane_file(lane_id).fd());
    return message;
  }

  HandoffMessage PeerProcess(uint64_t session_id, const ChildProcess& process) {
    HandoffMessage message;
    message.event.mutable_peer_process()->set_session_id(session_id);
    message.fd.Reset(static_cast<int>(syscall(SYS_pidfd_open, process.pid(), 0)));
    return message;
  }

  HandoffMessage Ended(v1::EndCause cause) {
    HandoffMessage message;
    message.event.mutable_lane_ended()->set_reader_id(7);
    message.event.mutable_lane_ended()->set_lane_id(1);
    message.event.mutable_lane_ended()->set_cause(cause);
    return message;
  }

  HandoffMessage SnapshotDone() {
    HandoffMessage message;
    message.event.mutable_snapshot_done();
    return message;
  }

  uint64_t version_ = 0;
  LocalStream stream_;
  std::shared_ptr<WriterLane> lane_;
  std::shared_ptr<ReaderLanes> lanes_;
  std::vector<AgentEvent::Kind> told_;
  LaneRegistry registry_;
};

using Kinds = std::vector<AgentEvent::Kind>;

TEST_F(LaneRegistryTest, ADescriptorIsTakenOnce) {
  registry_.Obey(Granted(5));
  EXPECT_TRUE(registry_.TakeFile(5, absl::InfiniteFuture()).ok());
  registry_.Obey(Granted(5));  // As a resumed session is told again.
  EXPECT_EQ(registry_.TakeFile(5, absl::InfinitePast()).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(LaneRegistryTest, ADescriptorIsWaitedFor) {
  std::thread events([this] { registry_.Obey(Granted(5)); });
  EXPECT_TRUE(registry_.ShareFile(5, absl::Now() + kLong).ok());
  events.join();
}

TEST_F(LaneRegistryTest, ADescriptorWithOtherRightsThanGrantedIsRejected) {
  registry_.Obey(Granted(5, v1::PROTECTION_READ));
  EXPECT_EQ(told_, Kinds{AgentEvent::Kind::kRejected});
  EXPECT_FALSE(registry_.ShareFile(5, absl::InfinitePast()).ok());
}

TEST_F(LaneRegistryTest, ADescriptorThatIsNoFileIsRejected) {
  HandoffMessage message = Granted(5);
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  message.fd.Reset(fds[0]);
  UniqueFd other(fds[1]);
  registry_.Obey(std::move(message));
  EXPECT_EQ(told_, Kinds{AgentEvent::Kind::kRejected});
}

TEST_F(LaneRegistryTest, EventsAheadOfTheAnswerAreObeyedWhenItHasCome) {
  LaneRegistry::Opening opening(registry_);
  registry_.Obey(Joined(8));
  registry_.Obey(Joined(9));
  registry_.Obey(Left(8));
  registry_.AddWriter(1, kLaneFile, lane_);
  EXPECT_EQ(lane_->readers(), 1u);
}

TEST_F(LaneRegistryTest, EventsOfUnknownLanesAreIgnored) {
  registry_.Obey(Joined(8));
  registry_.AddWriter(1, kLaneFile, lane_);
  EXPECT_EQ(lane_->readers(), 0u);
}

TEST_F(LaneRegistryTest, WhatIsNoPageIsRejected) {
  registry_.AddWriter(1, kLaneFile, lane_);
  registry_.Obey(Joined(8, 8192));
  EXPECT_EQ(told_, Kinds{AgentEvent::Kind::kRejected});
  EXPECT_EQ(lane_->readers(), 0u);
}

TEST_F(LaneRegistryTest, ASnapshotReplacesWhatWasKnown) {
  registry_.AddWriter(1, kLaneFile, lane_);
  registry_.Obey(Joined(8));
  registry_.Obey(Joined(9));
  registry_.Disconnected();
  EXPECT_EQ(lane_->readers(), 2u);  // They are obeyed while nobody can say otherwise.
  registry_.Connected(true);
  registry_.Obey(Granted(kLaneFile));
  registry_.Obey(Joined(9));
  registry_.Obey(Joined(10));
  EXPECT_EQ(lane_->readers(), 2u);
  registry_.Obey(SnapshotDone());
  EXPECT_EQ(lane_->readers(), 2u);
  registry_.Obey(Left(9));
  registry_.Obey(Left(10));
  EXPECT_EQ(lane_->readers(), 0u);
}

TEST_F(LaneRegistryTest, ASnapshotThatBreaksOffChangesNothing) {
  registry_.AddWriter(1, kLaneFile, lane_);
  registry_.Obey(Joined(8));
  registry_.Connected(true);
  registry_.Disconnected();
  registry_.Connected(true);
  registry_.Obey(Granted(kLaneFile));
  registry_.Obey(Joined(8));
  registry_.Obey(SnapshotDone());
  EXPECT_EQ(lane_->readers(), 1u);
}

TEST_F(LaneRegistryTest, LanesAreFollowedAndEnded) {
  registry_.AddReader(7, kCursorFile, lanes_);
  ASSERT_EQ(ftruncate(stream_.cursor_file(7).fd(), 2 * kHeaderPageBytes), 0);
  registry_.Obey(Opened(1, 1));
  EXPECT_EQ(lanes_->lanes(), 1u);
  registry_.Obey(Ended(v1::END_CAUSE_UNSPECIFIED));  // No end.
  EXPECT_EQ(told_, (Kinds{AgentEvent::Kind::kLaneOpened, AgentEvent::Kind::kRejected}));
  registry_.Obey(Ended(v1::END_CAUSE_DIED));
  const absl::StatusOr<Delivery> next = lanes_->Next(kLong);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->kind, Delivery::Kind::kEnded);
  EXPECT_EQ(next->end_cause, EndCause::kDied);
}

TEST_F(LaneRegistryTest, AWritersDeathEndsItsLaneBeforeTheCoordinatorSaysSo) {
  registry_.AddReader(7, kCursorFile, lanes_);
  ASSERT_EQ(ftruncate(stream_.cursor_file(7).fd(), 2 * kHeaderPageBytes), 0);
  ChildProcess writer({"/bin/cat"});
  registry_.Obey(PeerProcess(3, writer));
  HandoffMessage opened = Opened(1, 1);
  opened.event.mutable_lane_opened()->set_writer_session_id(3);
  registry_.Obey(std::move(opened));
  registry_.ObeyDeaths();
  EXPECT_EQ(told_, Kinds{AgentEvent::Kind::kLaneOpened});
  writer.Kill();
  registry_.ObeyDeaths();
  const Kinds ended = {AgentEvent::Kind::kLaneOpened, AgentEvent::Kind::kLaneEnded};
  EXPECT_EQ(told_, ended);
  const absl::StatusOr<Delivery> next = lanes_->Next(kLong);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->kind, Delivery::Kind::kEnded);
  EXPECT_EQ(next->end_cause, EndCause::kDied);
  EXPECT_EQ(stream_.released(), std::vector<uint64_t>{1});
  // The coordinator refused that, for it did not know. Now it will take it.
  registry_.Obey(Ended(v1::END_CAUSE_DIED));
  EXPECT_EQ(told_, ended);
  EXPECT_EQ(stream_.released(), (std::vector<uint64_t>{1, 1}));
}

TEST_F(LaneRegistryTest, AReadersDeathFreesItsWriterBeforeTheCoordinatorSaysSo) {
  registry_.AddWriter(1, kLaneFile, lane_);
  ChildProcess reader({"/bin/cat"});
  HandoffMessage again = PeerProcess(4, reader);
  registry_.Obey(PeerProcess(4, reader));
  const auto joined = [this] {
    HandoffMessage message = Joined(8);
    message.event.mutable_reader_joined()->set_reader_session_id(4);
    return message;
  };
  registry_.Obey(joined());
  registry_.ObeyDeaths();
  EXPECT_EQ(lane_->readers(), 1u);
  reader.Kill();
  registry_.ObeyDeaths();
  EXPECT_EQ(lane_->readers(), 0u);
  // The next coordinator has not found out yet.
  registry_.Connected(true);
  registry_.Obey(Granted(kLaneFile));
  registry_.Obey(std::move(again));
  registry_.Obey(joined());
  registry_.Obey(SnapshotDone());
  registry_.ObeyDeaths();
  EXPECT_EQ(lane_->readers(), 0u);
  registry_.Obey(Left(8));
  EXPECT_EQ(std::count(told_.begin(), told_.end(), AgentEvent::Kind::kReaderLeft), 1);
}

// Its number may be another's by now.
TEST_F(LaneRegistryTest, AWriterThatTheSnapshotDoesNotNameIsNotWatched) {
  registry_.AddReader(7, kCursorFile, lanes_);
  ASSERT_EQ(ftruncate(stream_.cursor_file(7).fd(), 2 * kHeaderPageBytes), 0);
  ChildProcess writer({"/bin/cat"});
  registry_.Obey(PeerProcess(3, writer));
  for (const bool resumed : {false, true}) {
    registry_.Connected(resumed);
    registry_.Obey(Granted(kCursorFile));
    HandoffMessage opened = Opened(1, 1);
    opened.event.mutable_lane_opened()->set_writer_session_id(3);
    registry_.Obey(std::move(opened));
    registry_.Obey(SnapshotDone());
  }
  writer.Kill();
  registry_.ObeyDeaths();
  EXPECT_FALSE(lanes_->Lags().at(0).ended);
}

TEST_F(LaneRegistryTest, ALaneThatTheSnapshotDoesNotNameHasEnded) {
  registry_.AddReader(7, kCursorFile, lanes_);
  ASSERT_EQ(ftruncate(stream_.cursor_file(7).fd(), 2 * kHeaderPageBytes), 0);
  registry_.Obey(Opened(1, 1));
  registry_.Connected(true);
  registry_.Obey(Granted(kCursorFile));
  registry_.Obey(SnapshotDone());
  const absl::StatusOr<Delivery> next = lanes_->Next(kLong);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->kind, Delivery::Kind::kEnded);
}

TEST_F(LaneRegistryTest, AWriterThatTheSnapshotDoesNotNameIsFenced) {
  registry_.AddWriter(1, kLaneFile, lane_);
  registry_.AddReader(7, kCursorFile, lanes_);
  registry_.Connected(true);
  registry_.Obey(Granted(kCursorFile));
  registry_.Obey(SnapshotDone());
  const absl::Status refused = lane_->ClaimUntil(8, kLong).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_NE(refused.message().find("lane 1 is unknown to the coordinator"), std::string::npos)
      << refused;
  EXPECT_EQ(told_, Kinds{AgentEvent::Kind::kRejected});
  EXPECT_EQ(lanes_->Next(absl::ZeroDuration())->kind, Delivery::Kind::kDeadline);
}

TEST_F(LaneRegistryTest, AReaderThatTheSnapshotDoesNotNameIsFenced) {
  registry_.AddWriter(1, kLaneFile, lane_);
  registry_.AddReader(7, kCursorFile, lanes_);
  registry_.Connected(true);
  registry_.Obey(Granted(kLaneFile));
  registry_.Obey(SnapshotDone());
  const absl::Status refused = lanes_->Next(kLong).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_NE(refused.message().find("reader 7 is unknown to the coordinator"), std::string::npos)
      << refused;
  EXPECT_TRUE(lane_->ClaimUntil(8, absl::ZeroDuration()).ok());
}

// The coordinator that died had obeyed, but its answer was lost.
TEST_F(LaneRegistryTest, WhatIsBeingClosedNeedNotBeNamedByTheSnapshot) {
  registry_.AddWriter(1, kLaneFile, lane_);
  registry_.AddReader(7, kCursorFile, lanes_);
  registry_.WriterCloses(1);
  registry_.ReaderCloses(7);
  registry_.WriterCloses(2);  // Never added.
  registry_.Connected(true);
  registry_.Obey(SnapshotDone());
  EXPECT_EQ(told_, Kinds{});
  EXPECT_TRUE(lane_->ClaimUntil(8, absl::ZeroDuration()).ok());
  EXPECT_EQ(lanes_->Next(absl::ZeroDuration())->kind, Delivery::Kind::kDeadline);
  registry_.RemoveWriter(1, kLaneFile);
  registry_.RemoveReader(7, kCursorFile);
  EXPECT_EQ(registry_.Holdings(), "");
}

TEST_F(LaneRegistryTest, ALostConnectionAnswersWhoWaitsForAFile) {
  registry_.ExpectBrought(3);
  std::thread events([this] { registry_.Disconnected(); });
  EXPECT_EQ(registry_.AwaitBrought(3, absl::InfiniteFuture()).status().code(),
            absl::StatusCode::kUnavailable);
  events.join();
}

TEST_F(LaneRegistryTest, ABroughtFileIsAnsweredByItsRequest) {
  registry_.ExpectBrought(3);
  registry_.ExpectBrought(4);
  HandoffMessage brought;
  brought.event.mutable_file_brought()->set_request_id(3);
  brought.event.mutable_file_brought()->set_file_id(77);
  registry_.Obey(std::move(brought));
  HandoffMessage refused;
  refused.event.mutable_file_brought()->set_request_id(4);
  refused.event.mutable_file_brought()->set_code(
      static_cast<int>(absl::StatusCode::kPermissionDenied));
  registry_.Obey(std::move(refused));
  EXPECT_EQ(registry_.AwaitBrought(3, absl::InfiniteFuture())->file_id, 77);
  EXPECT_EQ(registry_.AwaitBrought(4, absl::InfiniteFuture()).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(LaneRegistryTest, AFenceReachesWhatIsAddedLater) {
  registry_.Fence(absl::FailedPreconditionError("evicted"));
  registry_.AddWriter(1, kLaneFile, lane_);
  registry_.AddReader(7, kCursorFile, lanes_);
  EXPECT_EQ(lane_->ClaimUntil(8, kLong).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(lanes_->Next(kLong).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(registry_.ShareFile(5, absl::InfiniteFuture()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace causeway
