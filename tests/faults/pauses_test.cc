// Processes that stand still (SIGSTOP), for as long as it takes, and go on: nothing is taken from
// them on suspicion; and if an operator takes it, they find a clear error and harm nobody.
//
// CAUSEWAY_TEST_STOPPED_SECONDS in the environment makes each of them stand still for that long,
// which no verdict depends on: 60 is longer than every timeout of the product.
//
//   ./bazelw test --test_env=CAUSEWAY_TEST_STOPPED_SECONDS=60 //tests/faults:pauses_test

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/agent.h"
#include "agents/testing/child_process.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = Delivery::Kind;

constexpr absl::Duration kLong = absl::Minutes(2);
constexpr char kWhy[] = "stopped for too long";

// A lane that is soon full.
constexpr StreamOptions kSmall = {
    .segment_bytes = 64 << 10, .capacity_bytes = 256 << 10, .max_frame_bytes = 16 << 10};

absl::Status Write(Writer& writer, uint64_t number, absl::Duration timeout = kLong) {
  absl::StatusOr<std::span<std::byte>> room = writer.Claim(4096, timeout);
  if (!room.ok()) return room.status();
  FillPattern(number, *room);
  return writer.Commit(4096) ? absl::OkStatus() : absl::DataLossError("not committed");
}

class PausesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Agent> Attach(const std::string& name) {
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = name;
    options.attach_timeout = kLong;
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    EXPECT_TRUE(agent.ok()) << agent.status();
    return agent.ok() ? *std::move(agent) : nullptr;
  }

  std::unique_ptr<ChildProcess> Peer(const std::string& name, uint64_t* session_id) {
    auto peer = std::make_unique<ChildProcess>(
        std::vector<std::string>{TestProgram("agents/testing/agent_peer")});
    const std::string answer = peer->Ask(absl::StrCat("attach ", coordinator_.dir(), " ", name));
    EXPECT_THAT(answer, StartsWith("ok "));
    *session_id = std::stoull(answer.substr(3));
    return peer;
  }

  static void Stop(ChildProcess& process) {
    process.Signal(SIGSTOP);
    process.AwaitStop();
    if (const char* seconds = std::getenv("CAUSEWAY_TEST_STOPPED_SECONDS")) {
      absl::SleepFor(absl::Seconds(std::atoi(seconds)));
    }
  }

  static void ExpectFrames(Reader& reader, uint64_t lane_id, uint64_t first, uint64_t last) {
    for (uint64_t i = first; i <= last;) {
      const absl::StatusOr<Delivery> next = reader.Next(kLong);
      ASSERT_TRUE(next.ok()) << next.status();
      if (next->kind == Kind::kEnded || next->frame.lane_id != lane_id) continue;
      ASSERT_EQ(next->kind, Kind::kFrame);
      ASSERT_EQ(CheckPattern(next->frame.payload), i);
      ++i;
    }
  }

  CoordinatorProcess coordinator_;
};

TEST_F(PausesTest, NothingIsTakenFromAWriterThatIsOnlyStopped) {
  uint64_t session_id = 0;
  const auto stopped = Peer("stopped", &session_id);
  ASSERT_EQ(stopped->Ask("write_to numbers"), "ok");
  ASSERT_EQ(stopped->Ask("write 10 4096 0"), "ok");
  const auto agent = Attach("other");
  const auto reader = *agent->OpenReader("numbers");
  Stop(*stopped);

  // Others come, and have lanes of their own.
  const auto writer = *agent->OpenWriter("numbers");
  for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(Write(*writer, i).ok());
  ExpectFrames(*reader, writer->lane_id(), 0, 99);
  EXPECT_EQ(reader->lanes(), 2u);
  EXPECT_THAT(coordinator_.Agents(), ::testing::UnorderedElementsAre("stopped", "other"));

  stopped->Signal(SIGCONT);
  ASSERT_EQ(stopped->Ask("write 10 4096 10"), "ok");
  EXPECT_EQ(stopped->Ask("close"), "ok");
}

TEST_F(PausesTest, TheSuccessorsBytesStayWhileAnEvictedWriterStores) {
  uint64_t session_id = 0;
  const auto old_writer = Peer("old", &session_id);
  ASSERT_EQ(old_writer->Ask("write_to numbers"), "ok");
  ASSERT_EQ(old_writer->Ask("write 10 4096 0"), "ok");
  ASSERT_EQ(old_writer->Ask("claim 65536"), "ok");
  Stop(*old_writer);
  ASSERT_TRUE(coordinator_.Evict(session_id, kWhy).ok());

  const auto agent = Attach("new");
  const auto reader = *agent->OpenReader("numbers");
  const auto writer = *agent->OpenWriter("numbers");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  old_writer->Signal(SIGCONT);
  old_writer->Send("stomp 1000000");
  std::thread writing([&writer] {
    for (uint64_t i = 0; i < 2000; ++i) ASSERT_TRUE(Write(*writer, i).ok());
  });
  ExpectFrames(*reader, writer->lane_id(), 0, 1999);
  writing.join();
  const std::string answer = old_writer->ReadLine();
  EXPECT_THAT(answer, StartsWith("FAILED_PRECONDITION"));
  EXPECT_THAT(answer, HasSubstr(kWhy));
  // It is told so by whatever it tries, and lives.
  EXPECT_THAT(old_writer->Ask("write_to numbers"), HasSubstr(kWhy));
  EXPECT_EQ(old_writer->Ask("close"), "ok");
}

TEST_F(PausesTest, AReaderThatIsOnlyStoppedFindsTheFrameThatItHeld) {
  const auto agent = Attach("writing");
  const auto writer = *agent->OpenWriter("numbers", {.stream = kSmall});
  uint64_t session_id = 0;
  const auto reader = Peer("stopped", &session_id);
  ASSERT_EQ(reader->Ask("read_from numbers"), "ok");
  ASSERT_TRUE(Write(*writer, 0).ok());
  ASSERT_EQ(reader->Ask("read_one"), "ok");
  Stop(*reader);
  uint64_t written = 1;
  absl::Status status;
  while ((status = Write(*writer, written, absl::Milliseconds(200))).ok()) ++written;
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("stopped"));
  reader->Signal(SIGCONT);
  EXPECT_EQ(reader->Ask("held"), "whole");
  EXPECT_EQ(reader->Ask(absl::StrCat("read ", written - 1)), absl::StrCat("ok 1 ", written - 1));
}

TEST_F(PausesTest, AnEvictedReaderOfAnyPolicyIsToldThatItsFrameIsGone) {
  for (const char* policy : {"block", "drop", "evict"}) {
    SCOPED_TRACE(policy);
    const auto agent = Attach("writing");
    const auto writer = *agent->OpenWriter(policy, {.stream = kSmall});
    uint64_t session_id = 0;
    const auto reader = Peer("stopped", &session_id);
    ASSERT_EQ(reader->Ask(absl::StrCat("read_from ", policy, " ", policy)), "ok");
    ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
    ASSERT_TRUE(Write(*writer, 0).ok());
    ASSERT_EQ(reader->Ask("read_one"), "ok");
    Stop(*reader);
    ASSERT_TRUE(coordinator_.Evict(session_id, kWhy).ok());
    // Many times what the lane holds: the frame's segment is used again.
    for (uint64_t i = 1; i < 500; ++i) ASSERT_TRUE(Write(*writer, i).ok());
    reader->Signal(SIGCONT);
    EXPECT_EQ(reader->Ask("held"), "gone");
    // The news may be a moment behind; until then the reader finds what is there.
    std::string answer;
    do {
      answer = reader->Ask("next");
    } while (answer == "nothing" || answer.starts_with("frame ") || answer.starts_with("gap ") ||
             (answer.starts_with("OUT_OF_RANGE") && std::string(policy) == "evict"));
    EXPECT_THAT(answer, StartsWith("FAILED_PRECONDITION"));
    EXPECT_THAT(answer, HasSubstr(kWhy));
  }
}

TEST_F(PausesTest, AStoppedReaderThatMayBeLappedHoldsNobodyAndIsToldWhatItMissed) {
  const auto agent = Attach("writing");
  const auto writer = *agent->OpenWriter("numbers", {.stream = kSmall});
  uint64_t dropping_id = 0;
  uint64_t evicting_id = 0;
  const auto dropping = Peer("dropping", &dropping_id);
  const auto evicting = Peer("evicting", &evicting_id);
  ASSERT_EQ(dropping->Ask("read_from numbers drop"), "ok");
  ASSERT_EQ(evicting->Ask("read_from numbers evict"), "ok");
  ASSERT_TRUE(writer->WaitForReaders(2, kLong).ok());
  ASSERT_TRUE(Write(*writer, 0).ok());
  for (ChildProcess* reader : {dropping.get(), evicting.get()}) {
    ASSERT_EQ(reader->Ask("read_one"), "ok");
    Stop(*reader);
  }
  constexpr uint64_t kFrames = 500;
  for (uint64_t i = 1; i < kFrames; ++i) ASSERT_TRUE(Write(*writer, i, absl::Seconds(20)).ok());
  dropping->Signal(SIGCONT);
  evicting->Signal(SIGCONT);
  EXPECT_EQ(dropping->Ask("held"), "gone");
  EXPECT_EQ(evicting->Ask("held"), "gone");
  EXPECT_THAT(evicting->Ask("next"), StartsWith("OUT_OF_RANGE"));
  // The gap and the frames are all that was written. The frame in its hands counts as missed.
  const std::string gap = dropping->Ask("next");
  ASSERT_THAT(gap, StartsWith("gap "));
  uint64_t next = std::stoull(gap.substr(4));
  for (; next < kFrames; ++next) {
    ASSERT_EQ(dropping->Ask("next"), absl::StrCat("frame ", next));
  }
  EXPECT_EQ(dropping->Ask("next"), "nothing");
}

TEST_F(PausesTest, TheExtentOfAStoppedWorkerGoesToNobodyUntilItsDeathIsProven) {
  constexpr uint64_t kExtent = 64 << 10;
  constexpr uint64_t kExtents = 4;
  causeway::testing::ScratchDirectory scratch;
  UniqueFd source(open(scratch.File("source").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  UniqueFd file(open(scratch.File("target").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(ftruncate(source.get(), kExtents * kExtent), 0);
  ASSERT_EQ(ftruncate(file.get(), kExtents * kExtent), 0);
  const auto owner = Attach("owner");
  const auto split =
      *owner->OpenSplit({.name = "job",
                         .source = *owner->BringFile(source.get(), "source", FileAccess::kRead),
                         .target = *owner->BringFile(file.get(), "target", FileAccess::kReadWrite),
                         .length = kExtents * kExtent,
                         .extent_bytes = kExtent});
  uint64_t session_id = 0;
  const auto stopped = Peer("stopped", &session_id);
  const std::string taken = stopped->Ask("take job");
  ASSERT_THAT(taken, StartsWith("ok "));
  const uint64_t index = std::stoull(taken.substr(3));
  ASSERT_EQ(stopped->Ask("fill 1 1"), "ok");
  Stop(*stopped);

  const auto fill = [](TakenExtent& extent) {
    absl::StatusOr<std::span<std::byte>> target = extent.MapTarget();
    ASSERT_TRUE(target.ok()) << target.status();
    std::fill(target->begin(), target->end(), std::byte{2});
    ASSERT_TRUE(extent.Complete().ok());
  };
  const auto expect_nothing_left = [&] {
    const absl::Status status = owner->TakeExtent("job", absl::Milliseconds(200)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  };
  for (uint64_t i = 1; i < kExtents; ++i) {
    absl::StatusOr<TakenExtent> extent = owner->TakeExtent("job", kLong);
    ASSERT_TRUE(extent.ok() && extent->granted()) << extent.status();
    EXPECT_NE(extent->index(), index);
    fill(*extent);
  }
  expect_nothing_left();  // It is only stopped.
  ASSERT_TRUE(coordinator_.Evict(session_id, kWhy).ok());
  expect_nothing_left();  // Evicted, and alive.
  stopped->Signal(SIGCONT);
  ASSERT_EQ(stopped->Ask("fill 3 16"), "ok");  // More than 10^6 stores into what it still maps.
  const std::string completed = stopped->Ask("complete");
  EXPECT_THAT(completed, StartsWith("FAILED_PRECONDITION"));
  EXPECT_THAT(completed, HasSubstr(kWhy));
  expect_nothing_left();
  stopped->Kill();
  absl::StatusOr<TakenExtent> extent = owner->TakeExtent("job", kLong);
  ASSERT_TRUE(extent.ok() && extent->granted()) << extent.status();
  EXPECT_EQ(extent->index(), index);
  fill(*extent);
  std::string bytes(kExtents * kExtent, '\0');
  ASSERT_EQ(pread(file.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(bytes, std::string(bytes.size(), '\2'));
  EXPECT_EQ(split->Describe()->regranted, 1u);
}

TEST_F(PausesTest, AgentsComeGoAndDieWhileTheCoordinatorStandsStill) {
  const auto agent = Attach("staying");
  const auto writer = *agent->OpenWriter("numbers");
  const auto reader = *agent->OpenReader("numbers");
  auto leaving = Attach("leaving");
  auto left_writer = *leaving->OpenWriter("numbers");
  uint64_t session_id = 0;
  const auto dying = Peer("dying", &session_id);
  ASSERT_EQ(dying->Ask("write_to numbers"), "ok");
  ASSERT_EQ(dying->Ask("write 10 4096 0"), "ok");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  coordinator_.Stop();

  dying->Kill();
  std::thread leaves([&] {
    left_writer.reset();
    leaving.reset();
  });
  std::unique_ptr<Agent> coming;
  std::thread comes([&] { coming = Attach("coming"); });
  // Those who have what they need notice nothing: many times what the lane holds goes through.
  for (uint64_t i = 0; i < 1000; ++i) {
    EXPECT_TRUE(Write(*writer, i).ok());
    ExpectFrames(*reader, writer->lane_id(), i, i);
  }
  coordinator_.Continue();
  leaves.join();
  comes.join();
  ASSERT_NE(coming, nullptr);
  // Everybody is known for what he is.
  ASSERT_TRUE(Write(*writer, 1000).ok());
  ExpectFrames(*reader, writer->lane_id(), 1000, 1000);
  EXPECT_TRUE(coming->OpenReader("numbers").ok());
  while (reader->lanes() > 1) ASSERT_TRUE(reader->Next(absl::Milliseconds(10)).ok());
  coordinator_.AwaitFiles(2);  // The staying one's lane and cursors.
  EXPECT_THAT(coordinator_.Agents(), ::testing::UnorderedElementsAre("staying", "coming"));
}

}  // namespace
}  // namespace causeway
