// What survives the death, the absence and the eviction of each process.

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "agents/agent.h"
#include "agents/handoff_connection.h"
#include "agents/testing/child_process.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using Kind = Delivery::Kind;

constexpr absl::Duration kLong = absl::Minutes(1);

// Collects an agent's events, so that a test can wait for one.
class Events {
 public:
  void Add(const AgentEvent& event) {
    absl::MutexLock lock(&mutex_);
    kinds_.push_back(event.kind);
  }
  void Await(AgentEvent::Kind kind, int times = 1) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this, kind, times]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return std::count(kinds_.begin(), kinds_.end(), kind) >= times;
    };
    mutex_.Await(absl::Condition(&there));
  }
  int64_t Count(AgentEvent::Kind kind) {
    absl::MutexLock lock(&mutex_);
    return std::count(kinds_.begin(), kinds_.end(), kind);
  }

 private:
  absl::Mutex mutex_;
  std::vector<AgentEvent::Kind> kinds_ ABSL_GUARDED_BY(mutex_);
};

class RecoveryTest : public ::testing::Test {
 protected:
  std::unique_ptr<Agent> Attach(const std::string& name, Events* events = nullptr) {
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = name;
    if (events != nullptr) {
      options.on_event = [events](const AgentEvent& event) { events->Add(event); };
    }
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    EXPECT_TRUE(agent.ok()) << agent.status();
    return agent.ok() ? *std::move(agent) : nullptr;
  }

  std::unique_ptr<ChildProcess> Peer(const std::string& name, uint64_t* session_id = nullptr) {
    auto peer = std::make_unique<ChildProcess>(
        std::vector<std::string>{TestProgram("agents/testing/agent_peer")});
    const std::string answer = peer->Ask("attach " + coordinator_.dir() + " " + name);
    EXPECT_EQ(answer.substr(0, 3), "ok ") << answer;
    if (session_id != nullptr) *session_id = std::stoull(answer.substr(3));
    return peer;
  }

  static absl::Status Write(Writer& writer, uint64_t number, size_t bytes = 4096) {
    absl::StatusOr<std::span<std::byte>> room = writer.Claim(bytes, kLong);
    if (!room.ok()) return room.status();
    FillPattern(number, *room);
    return writer.Commit(bytes) ? absl::OkStatus() : absl::DataLossError("not committed");
  }

  static WriterOptions Small() {
    return {.stream = {.segment_bytes = 64 << 10,
                       .capacity_bytes = 256 << 10,
                       .max_frame_bytes = 32 << 10}};
  }
  // Many times what a small lane may hold for a reader: it goes through only once that one reads,
  // or has left.
  static void WriteMuch(Writer& writer) {
    for (int i = 0; i < 100; ++i) {
      const absl::Status status = Write(writer, i, 16 << 10);
      ASSERT_TRUE(status.ok()) << status;
    }
  }

  CoordinatorProcess coordinator_;
};

TEST_F(RecoveryTest, AKilledWritersFramesAreWholeAndItsEndIsTold) {
  const auto sink = Attach("sink");
  const auto reader = *sink->OpenReader("numbers");
  const auto source = Peer("source");
  ASSERT_EQ(source->Ask("write_to numbers"), "ok");
  ASSERT_EQ(source->Ask("write 100 1000 0"), "ok");
  ASSERT_EQ(source->Ask("claim 1000"), "ok");  // Filled, and never committed.
  source->Kill();
  for (uint64_t i = 0; i < 100; ++i) {
    absl::StatusOr<Delivery> next = reader->Next(kLong);
    ASSERT_TRUE(next.ok() && next->kind == Kind::kFrame) << next.status();
    ASSERT_EQ(CheckPattern(next->frame.payload), i);
  }
  absl::StatusOr<Delivery> end = reader->Next(kLong);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->kind, Kind::kEnded);
  EXPECT_EQ(end->end_cause, EndCause::kDied);
}

TEST_F(RecoveryTest, AWriterKilledInFullFlightLeavesWholeFramesInOrder) {
  const auto sink = Attach("sink");
  for (int round = 0; round < 5; ++round) {
    const auto reader = *sink->OpenReader("numbers");
    const auto source = Peer("source");
    ASSERT_EQ(source->Ask("write_to numbers"), "ok");
    ASSERT_EQ(source->Ask("flood 512"), "ok");
    uint64_t frames = 0;
    while (true) {
      absl::StatusOr<Delivery> next = reader->Next(kLong);
      ASSERT_TRUE(next.ok()) << next.status();
      if (next->kind == Kind::kEnded) {
        EXPECT_EQ(next->end_cause, EndCause::kDied);
        break;
      }
      ASSERT_EQ(next->kind, Kind::kFrame) << next->loss;
      ASSERT_EQ(CheckPattern(next->frame.payload), frames);
      if (++frames == 2000) source->Signal(SIGKILL);
    }
    EXPECT_GE(frames, 2000u);
  }
}

TEST_F(RecoveryTest, AKilledReaderHoldsItsWriterNoLonger) {
  const auto source = Attach("source");
  const auto writer = *source->OpenWriter("numbers", Small());
  const auto sink = Peer("sink");
  ASSERT_EQ(sink->Ask("read_from numbers"), "ok");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  std::thread killing([&sink] { sink->Kill(); });
  WriteMuch(*writer);
  killing.join();
  EXPECT_EQ(writer->readers(), 0u);
}

TEST_F(RecoveryTest, NothingIsLostOrRepeatedWhileTheCoordinatorIsKilledAndRestarted) {
  Events source_events, sink_events;
  const auto source = Attach("source", &source_events);
  const auto sink = Attach("sink", &sink_events);
  const uint64_t session_id = source->session_id();
  const auto writer = *source->OpenWriter("numbers", {.stream = {.segment_bytes = 256 << 10,
                                                                 .capacity_bytes = 4 << 20,
                                                                 .max_frame_bytes = 64 << 10}});
  const auto reader = *sink->OpenReader("numbers");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> written = 0;
  std::thread writing([&] {
    while (!stop) {
      ASSERT_TRUE(Write(*writer, written).ok());
      ++written;
    }
    EXPECT_TRUE(writer->Close().ok());
  });
  std::atomic<uint64_t> read = 0;
  std::thread reading([&] {
    while (true) {
      absl::StatusOr<Delivery> next = reader->Next(kLong);
      ASSERT_TRUE(next.ok()) << next.status();
      if (next->kind == Kind::kEnded) break;
      ASSERT_EQ(next->kind, Kind::kFrame);
      ASSERT_EQ(CheckPattern(next->frame.payload), read.load());
      ++read;
    }
  });
  const auto await_more = [&read](uint64_t frames) {
    const uint64_t target = read + frames;
    while (read < target) std::this_thread::yield();
  };
  for (int round = 1; round <= 3; ++round) {
    await_more(5000);
    coordinator_.Kill();
    source_events.Await(AgentEvent::Kind::kConnectionLost, round);
    EXPECT_FALSE(source->connected());
    await_more(20'000);  // Without anybody to ask.
    coordinator_.Start();
    source_events.Await(AgentEvent::Kind::kReattached, round);
    sink_events.Await(AgentEvent::Kind::kReattached, round);
    await_more(5000);
  }
  EXPECT_EQ(source->session_id(), session_id);
  stop = true;
  writing.join();
  reading.join();
  EXPECT_EQ(read, written);
  // And the coordinator knows them well enough to let others join.
  const auto late = source->OpenReader("numbers");
  EXPECT_TRUE(late.ok()) << late.status();
}

// The kernel says it, not the coordinator; which makes of it what it would of any death.
TEST_F(RecoveryTest, AWriterThatDiesWhileTheCoordinatorIsAwayIsHeardOfAtOnce) {
  Events events;
  const auto sink = Attach("sink", &events);
  const auto reader = *sink->OpenReader("numbers");
  const auto source = Peer("source");
  ASSERT_EQ(source->Ask("write_to numbers"), "ok");
  ASSERT_EQ(source->Ask("write 10 100 0"), "ok");
  coordinator_.Kill();
  source->Kill();
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_EQ(CheckPattern(reader->Next(kLong)->frame.payload), i);
  }
  absl::StatusOr<Delivery> end = reader->Next(kLong);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->kind, Kind::kEnded);
  EXPECT_EQ(end->end_cause, EndCause::kDied);
  coordinator_.Start();
  events.Await(AgentEvent::Kind::kReattached);
  coordinator_.AwaitFiles(1);  // The reader's: the lane has been given back.
  EXPECT_EQ(events.Count(AgentEvent::Kind::kLaneEnded), 1);
}

TEST_F(RecoveryTest, AReaderThatDiesWhileTheCoordinatorIsAwayHoldsNoWriterUp) {
  Events events;
  const auto source = Attach("source", &events);
  const auto writer = *source->OpenWriter("numbers", Small());
  const auto sink = Peer("sink");
  ASSERT_EQ(sink->Ask("read_from numbers"), "ok");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  coordinator_.Kill();
  std::thread killing([&sink] { sink->Kill(); });
  WriteMuch(*writer);
  killing.join();
  coordinator_.Start();
  events.Await(AgentEvent::Kind::kReattached);
  coordinator_.AwaitFiles(1);  // The writer's.
  EXPECT_EQ(events.Count(AgentEvent::Kind::kReaderLeft), 1);
}

TEST_F(RecoveryTest, CallsWithoutCoordinatorAreUnavailable) {
  AgentOptions options;
  options.dir = coordinator_.dir();
  options.name = "lonely";
  options.rpc_timeout = absl::Milliseconds(200);
  const auto agent = *Agent::Attach(options);
  auto writer = *agent->OpenWriter("numbers");
  coordinator_.Kill();
  EXPECT_EQ(agent->OpenWriter("others").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Write(*writer, 1).ok());
  EXPECT_EQ(writer->Close().code(), absl::StatusCode::kUnavailable);
}

TEST_F(RecoveryTest, OpeningWaitsForACoordinatorThatIsBeingRestarted) {
  const auto agent = Attach("patient");
  coordinator_.Kill();
  std::thread opening([&agent] {
    const absl::Status status = agent->OpenWriter("numbers").status();
    EXPECT_TRUE(status.ok()) << status;
  });
  coordinator_.Start();  // Here: it ends with the thread that started it.
  opening.join();
}

TEST_F(RecoveryTest, ALaneClosedWithoutCoordinatorIsForgottenWhenItIsBack) {
  Events events;
  const auto agent = Attach("closer", &events);
  auto writer = *agent->OpenWriter("numbers");
  coordinator_.Kill();
  events.Await(AgentEvent::Kind::kConnectionLost);
  writer.reset();
  coordinator_.Start();
  coordinator_.AwaitFiles(0);
}

TEST_F(RecoveryTest, ACoordinatorThatHasLostItsStateEndsTheSession) {
  Events events;
  const auto agent = Attach("orphan", &events);
  const auto writer = *agent->OpenWriter("numbers");
  const auto reader = *agent->OpenReader("numbers");
  coordinator_.Kill();
  coordinator_.LoseState();
  coordinator_.Start();
  events.Await(AgentEvent::Kind::kEvicted);
  EXPECT_EQ(agent->status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer->Claim(8, kLong).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(reader->Next(kLong).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(agent->OpenWriter("numbers").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecoveryTest, WhatARestoredStateDoesNotKnowIsFenced) {
  Events source_events, sink_events;
  const auto source = Attach("source", &source_events);
  const auto sink = Attach("sink", &sink_events);
  const auto known = *source->OpenWriter("known");
  const auto reader = *sink->OpenReader("numbers");
  coordinator_.Kill();
  coordinator_.SaveState();
  coordinator_.Start();
  source_events.Await(AgentEvent::Kind::kReattached);
  sink_events.Await(AgentEvent::Kind::kReattached);
  const auto writer = *source->OpenWriter("numbers");
  const auto late_reader = *source->OpenReader("numbers");
  ASSERT_TRUE(writer->WaitForReaders(2, kLong).ok());
  ASSERT_TRUE(Write(*writer, 1).ok());

  coordinator_.Kill();
  coordinator_.RestoreState();
  coordinator_.Start();
  source_events.Await(AgentEvent::Kind::kReattached, 2);
  sink_events.Await(AgentEvent::Kind::kReattached, 2);
  source_events.Await(AgentEvent::Kind::kRejected, 2);

  const absl::Status written = writer->Claim(8, kLong).status();
  EXPECT_EQ(written.code(), absl::StatusCode::kFailedPrecondition) << written;
  EXPECT_NE(written.message().find("is unknown to the coordinator"), std::string::npos) << written;
  const absl::Status read = late_reader->Next(kLong).status();
  EXPECT_EQ(read.code(), absl::StatusCode::kFailedPrecondition) << read;
  // What both know goes on, and so does what was committed.
  EXPECT_TRUE(source->status().ok());
  EXPECT_TRUE(Write(*known, 1).ok());
  const absl::StatusOr<Delivery> frame = reader->Next(kLong);
  ASSERT_TRUE(frame.ok() && frame->kind == Kind::kFrame) << frame.status();
  EXPECT_EQ(CheckPattern(frame->frame.payload), 1u);
  EXPECT_EQ(reader->Next(kLong)->kind, Kind::kEnded);
  const auto again = source->OpenWriter("numbers");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(Write(**again, 2).ok());
}

TEST_F(RecoveryTest, AnEvictedAgentIsToldWhy) {
  const auto agent = Attach("greedy");
  const auto other = Attach("other");
  const auto writer = *agent->OpenWriter("numbers");
  const auto reader = *agent->OpenReader("others");
  const auto watcher = *other->OpenReader("numbers");
  ASSERT_TRUE(Write(*writer, 1).ok());
  std::thread evicting(
      [&] { ASSERT_TRUE(coordinator_.Evict(agent->session_id(), "over quota").ok()); });
  const absl::Status read = reader->Next(kLong).status();
  evicting.join();
  EXPECT_EQ(read.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(read.message().find("over quota"), std::string::npos) << read;
  const absl::Status written = writer->Claim(8, kLong).status();
  EXPECT_EQ(written.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(written.message().find("over quota"), std::string::npos) << written;
  EXPECT_EQ(agent->OpenReader("numbers").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(other->status().ok());
}

// Fault 1 of the catalogue.
TEST_F(RecoveryTest, AStoppedWriterThatWasEvictedHarmsNobodyWhenItGoesOn) {
  uint64_t session_id = 0;
  const auto old_writer = Peer("old", &session_id);
  ASSERT_EQ(old_writer->Ask("write_to numbers"), "ok");
  ASSERT_EQ(old_writer->Ask("write 10 4096 0"), "ok");
  ASSERT_EQ(old_writer->Ask("claim 65536"), "ok");
  old_writer->Signal(SIGSTOP);
  old_writer->AwaitStop();
  ASSERT_TRUE(coordinator_.Evict(session_id, "stopped for too long").ok());

  const auto agent = Attach("new");
  const auto reader = *agent->OpenReader("numbers");
  const auto writer = *agent->OpenWriter("numbers");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  for (uint64_t i = 0; i < 200; ++i) ASSERT_TRUE(Write(*writer, i).ok());

  old_writer->Signal(SIGCONT);
  const std::string answer = old_writer->Ask("stomp 1000000");
  EXPECT_NE(answer.find("FAILED_PRECONDITION"), std::string::npos) << answer;
  EXPECT_NE(answer.find("stopped for too long"), std::string::npos) << answer;

  for (uint64_t i = 200; i < 400; ++i) ASSERT_TRUE(Write(*writer, i).ok());
  for (uint64_t i = 0; i < 400;) {
    absl::StatusOr<Delivery> next = reader->Next(kLong);
    ASSERT_TRUE(next.ok()) << next.status();
    // The old lane may still have been listed when the reader joined.
    if (next->frame.lane_id != writer->lane_id()) continue;
    ASSERT_EQ(next->kind, Kind::kFrame);
    ASSERT_EQ(CheckPattern(next->frame.payload), i);
    ++i;
  }
}

TEST_F(RecoveryTest, AStolenTokenIsOfNoUseToAnotherProcess) {
  // Says Hello on a connection of its own, and returns the coordinator's answer.
  const auto hello = [this](uint64_t session_id, const std::string& token,
                            const std::string& nonce) -> v1::HandoffEvent {
    absl::StatusOr<HandoffConnection> connection = HandoffConnection::Connect(coordinator_.dir());
    if (!connection.ok()) return {};
    v1::HandoffRequest request;
    request.mutable_hello()->set_protocol_version(1);
    request.mutable_hello()->set_agent_name("token");
    request.mutable_hello()->set_nonce(nonce);
    request.mutable_hello()->set_session_id(session_id);
    request.mutable_hello()->set_token(token);
    if (!connection->Send(request).ok()) return {};
    pollfd readable = {connection->fd(), POLLIN, 0};
    poll(&readable, 1, -1);
    absl::StatusOr<std::optional<HandoffMessage>> answer = connection->Receive();
    return answer.ok() && answer->has_value() ? (*answer)->event : v1::HandoffEvent();
  };
  const std::string nonce(16, 'n');
  const v1::HandoffEvent first = hello(0, "", nonce);
  ASSERT_TRUE(first.has_welcome()) << first.DebugString();
  const v1::Welcome welcome = first.welcome();
  const pid_t thief = fork();
  if (thief == 0) {
    const v1::HandoffEvent answer = hello(welcome.session_id(), welcome.token(), nonce);
    _exit(answer.has_refused() ? answer.refused().code() : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(thief, &status, 0), thief);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(hello(welcome.session_id(), welcome.token(), nonce).has_welcome());
}

TEST_F(RecoveryTest, AnAgentThatLeavesWhileTheCoordinatorIsAwayHoldsNothingUpAfterwards) {
  const auto stays = Attach("stays");
  const auto reader = *stays->OpenReader("numbers");
  {
    const auto leaves = Attach("leaves");
    const auto held = *leaves->OpenReader("numbers");
    coordinator_.Kill();
    EXPECT_TRUE(absl::IsUnavailable(held->Close()));
    // Its process lives on, so nobody can prove it dead.
  }
  coordinator_.Start();
  // A lane that is opened now waits for whoever reads the stream.
  const auto source = Attach("source");
  const auto writer = *source->OpenWriter("numbers");
  while (coordinator_.Agents().size() != 2) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(writer->WaitForReaders(1, kLong).ok());
  ASSERT_TRUE(Write(*writer, 0).ok());
  absl::StatusOr<Delivery> next = reader->Next(kLong);
  ASSERT_TRUE(next.ok() && next->kind == Kind::kFrame) << next.status();
  EXPECT_EQ(reader->Next(absl::ZeroDuration())->kind, Kind::kDeadline);  // Lets go of the frame.
  EXPECT_TRUE(writer->Drain(kLong).ok());
}

}  // namespace
}  // namespace causeway
