// Streams through a real coordinator, with agents of one process.

#include <sys/resource.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "agents/agent.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

// Whoever waits in these tests is woken by what the test does; the limit only ends a failed run.
constexpr absl::Duration kLong = absl::Minutes(1);
constexpr absl::Duration kShort = absl::Milliseconds(10);

class StreamTest : public ::testing::Test {
 protected:
  std::unique_ptr<Agent> Attach(const std::string& name) {
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = name;
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    EXPECT_TRUE(agent.ok()) << agent.status();
    return agent.ok() ? *std::move(agent) : nullptr;
  }

  static std::unique_ptr<Writer> OpenWriter(Agent& agent, const std::string& stream,
                                            const WriterOptions& options = {}) {
    absl::StatusOr<std::unique_ptr<Writer>> writer = agent.OpenWriter(stream, options);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return writer.ok() ? *std::move(writer) : nullptr;
  }

  static std::unique_ptr<Reader> OpenReader(Agent& agent, const std::string& stream) {
    absl::StatusOr<std::unique_ptr<Reader>> reader = agent.OpenReader(stream);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return reader.ok() ? *std::move(reader) : nullptr;
  }

  static void Write(Writer& writer, uint64_t number, size_t bytes = 64) {
    absl::StatusOr<std::span<std::byte>> room = writer.Claim(bytes, kLong);
    ASSERT_TRUE(room.ok()) << room.status();
    FillPattern(number, *room);
    ASSERT_TRUE(writer.Commit(bytes));
  }

  static absl::Status WriteText(Writer& writer, const std::string& text) {
    return writer.Write(std::as_bytes(std::span(text)), kLong);
  }

  // The next frame's number; fails the test if something else comes.
  static uint64_t Read(Reader& reader) {
    absl::StatusOr<Delivery> next = reader.Next(kLong);
    EXPECT_TRUE(next.ok()) << next.status();
    if (!next.ok() || next->kind != Delivery::Kind::kFrame) {
      ADD_FAILURE() << "no frame: " << (next.ok() ? static_cast<int>(next->kind) : -1);
      return ~uint64_t{0};
    }
    const std::optional<uint64_t> number = CheckPattern(next->frame.payload);
    EXPECT_TRUE(number.has_value());
    return number.value_or(~uint64_t{0});
  }

  static void ExpectEnded(Reader& reader, EndCause cause) {
    absl::StatusOr<Delivery> next = reader.Next(kLong);
    ASSERT_TRUE(next.ok()) << next.status();
    ASSERT_EQ(next->kind, Delivery::Kind::kEnded);
    EXPECT_EQ(next->end_cause, cause);
  }

  CoordinatorProcess coordinator_;
};

TEST_F(StreamTest, WriterFirst) {
  const auto agent = Attach("both");
  const auto writer = OpenWriter(*agent, "numbers");
  const auto reader = OpenReader(*agent, "numbers");
  Write(*writer, 1);
  EXPECT_EQ(Read(*reader), 1);
}

TEST_F(StreamTest, ReaderFirst) {
  const auto agent = Attach("both");
  const auto reader = OpenReader(*agent, "numbers");
  EXPECT_EQ(reader->Next(kShort)->kind, Delivery::Kind::kDeadline);
  const auto writer = OpenWriter(*agent, "numbers");
  EXPECT_EQ(writer->readers(), 1u);  // Joined before OpenWriter() returned: nothing is missed.
  Write(*writer, 1);
  EXPECT_EQ(Read(*reader), 1);
}

TEST_F(StreamTest, ManyFramesInOrderThroughManySegments) {
  const auto source = Attach("source");
  const auto sink = Attach("sink");
  const auto writer = OpenWriter(
      *source, "numbers",
      {.stream = {
           .segment_bytes = 64 << 10, .capacity_bytes = 1 << 20, .max_frame_bytes = 32 << 10}});
  const auto reader = OpenReader(*sink, "numbers");
  constexpr uint64_t kFrames = 50'000;
  std::thread writing([&] {
    for (uint64_t i = 0; i < kFrames; ++i) Write(*writer, i, 8 + i % 500);
  });
  for (uint64_t i = 0; i < kFrames; ++i) ASSERT_EQ(Read(*reader), i);
  writing.join();
  EXPECT_EQ(writer->Drain(kShort).code(), absl::StatusCode::kDeadlineExceeded);
  Frame none;
  EXPECT_FALSE(reader->TryNext(none));  // Lets go of the last frame.
  EXPECT_TRUE(writer->Drain(kLong).ok());
  EXPECT_EQ(writer->counters().frames, kFrames);
  EXPECT_EQ(reader->counters().frames, kFrames);
  EXPECT_GT(writer->counters().segments_rolled, 10u);
}

TEST_F(StreamTest, BatchesOfFramesInOrder) {
  const auto source = Attach("source");
  const auto sink = Attach("sink");
  const auto writer = OpenWriter(
      *source, "numbers",
      {.stream = {
           .segment_bytes = 64 << 10, .capacity_bytes = 256 << 10, .max_frame_bytes = 32 << 10}});
  const auto reader = OpenReader(*sink, "numbers");
  constexpr uint64_t kFrames = 50'000;
  std::thread writing([&] {
    for (uint64_t i = 0; i < kFrames; ++i) {
      const absl::StatusOr<std::span<std::byte>> room = writer->Claim(8, kLong);
      ASSERT_TRUE(room.ok()) << room.status();
      std::memcpy(room->data(), &i, 8);
      ASSERT_TRUE(writer->Stage(8));
      if (i % 64 == 63) {
        ASSERT_TRUE(writer->CommitStaged());
      }
    }
    EXPECT_TRUE(writer->Drain(kLong).ok());  // The last batch is shorter.
  });
  for (uint64_t i = 0; i < kFrames; ++i) ASSERT_EQ(Read(*reader), i);
  Frame none;
  EXPECT_FALSE(reader->TryNext(none));  // Lets go of the last frame.
  writing.join();
}

TEST_F(StreamTest, EveryReaderSeesEveryFrame) {
  const auto source = Attach("source");
  const auto writer = OpenWriter(*source, "numbers");
  std::vector<std::unique_ptr<Agent>> agents;
  std::vector<std::thread> reading;
  for (int i = 0; i < 4; ++i) {
    agents.push_back(Attach("sink"));
    reading.emplace_back([&agent = *agents.back()] {
      const auto reader = OpenReader(agent, "numbers");
      for (uint64_t frame = 0; frame < 5000; ++frame) ASSERT_EQ(Read(*reader), frame);
    });
  }
  ASSERT_TRUE(writer->WaitForReaders(4, kLong).ok());
  for (uint64_t frame = 0; frame < 5000; ++frame) Write(*writer, frame);
  for (std::thread& thread : reading) thread.join();
}

TEST_F(StreamTest, SeveralWritersKeepTheirOrder) {
  const auto sink = Attach("sink");
  const auto reader = OpenReader(*sink, "numbers");
  constexpr uint64_t kFrames = 3000;
  std::vector<std::thread> writing;
  for (int i = 0; i < 3; ++i) {
    writing.emplace_back([this] {
      const auto agent = Attach("source");
      const auto writer = OpenWriter(*agent, "numbers");
      for (uint64_t frame = 0; frame < kFrames; ++frame) Write(*writer, frame);
      EXPECT_TRUE(writer->Drain(kLong).ok());
    });
  }
  std::map<uint64_t, uint64_t> next_of_lane;
  for (uint64_t i = 0; i < 3 * kFrames;) {
    absl::StatusOr<Delivery> next = reader->Next(kLong);
    ASSERT_TRUE(next.ok()) << next.status();
    if (next->kind == Delivery::Kind::kEnded) {  // Of those that had come so far.
      ASSERT_TRUE(reader->WaitForWriter(kLong).ok());
      continue;
    }
    ASSERT_EQ(next->kind, Delivery::Kind::kFrame);
    ASSERT_EQ(CheckPattern(next->frame.payload), next_of_lane[next->frame.lane_id]++);
    ++i;
  }
  ExpectEnded(*reader, EndCause::kClosed);
  for (std::thread& thread : writing) thread.join();
}

TEST_F(StreamTest, ALateReaderBeginsAtTheOldestFrameThatIsLeft) {
  const auto source = Attach("source");
  const auto writer = OpenWriter(*source, "numbers");
  for (uint64_t i = 0; i < 10; ++i) Write(*writer, i);
  const auto sink = Attach("sink");
  const auto reader = OpenReader(*sink, "numbers");
  for (uint64_t i = 0; i < 10; ++i) EXPECT_EQ(Read(*reader), i);
}

TEST_F(StreamTest, AClosedLaneEndsAfterItsLastFrame) {
  const auto source = Attach("source");
  const auto sink = Attach("sink");
  const auto reader = OpenReader(*sink, "numbers");
  {
    const auto writer = OpenWriter(*source, "numbers");
    Write(*writer, 1);
    EXPECT_TRUE(writer->Close().ok());
    EXPECT_EQ(writer->Claim(1, kLong).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(Read(*reader), 1);
  ExpectEnded(*reader, EndCause::kClosed);
  const auto again = OpenWriter(*source, "numbers");
  ASSERT_TRUE(reader->WaitForWriter(kLong).ok());
  Write(*again, 2);
  EXPECT_EQ(Read(*reader), 2);
}

TEST_F(StreamTest, AReaderThatNeverReadsBlocksUntilTheDeadlineAndNoLonger) {
  const auto source = Attach("source");
  const auto sink = Attach("idler");
  const auto writer = OpenWriter(
      *source, "numbers",
      {.stream = {
           .segment_bytes = 64 << 10, .capacity_bytes = 256 << 10, .max_frame_bytes = 32 << 10}});
  auto idle = OpenReader(*sink, "numbers");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  absl::Status status;
  while (status.ok()) status = writer->Claim(16 << 10, kShort).status(), writer->Commit(16 << 10);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(status.message().find("idler"), std::string::npos) << status;
  ASSERT_EQ(writer->Lags().size(), 1u);
  EXPECT_GT(writer->Lags()[0].lag_bytes, 64u << 10);
  std::thread leaving([&idle] { idle.reset(); });
  EXPECT_TRUE(writer->Claim(16 << 10, kLong).ok());
  leaving.join();
}

// How often the calling thread has slept.
long Sleeps() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

TEST_F(StreamTest, AWriterWaitsAsItWasOpenedTo) {
  const auto source = Attach("source");
  const auto sink = Attach("idler");
  for (const WaitMode mode : {WaitMode::kSpin, WaitMode::kPark}) {
    const std::string stream = mode == WaitMode::kSpin ? "spun" : "slept";
    const auto writer = OpenWriter(*source, stream, {.wait_mode = mode});
    const auto idle = OpenReader(*sink, stream);
    ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
    Write(*writer, 1);
    constexpr int kWaits = 10;
    const long before = Sleeps();
    for (int i = 0; i < kWaits; ++i) EXPECT_FALSE(writer->Drain(kShort).ok());
    const long sleeps = Sleeps() - before;
    EXPECT_TRUE(mode == WaitMode::kSpin ? sleeps < kWaits : sleeps >= kWaits) << sleeps;
  }
}

TEST_F(StreamTest, FramesOfEverySize) {
  const auto agent = Attach("both");
  constexpr uint64_t kSegment = 64 << 10;
  constexpr uint64_t kLargest = 1 << 20;
  const auto writer = OpenWriter(
      *agent, "sizes",
      {.stream = {
           .segment_bytes = kSegment, .capacity_bytes = 8 << 20, .max_frame_bytes = kLargest}});
  const auto reader = OpenReader(*agent, "sizes");
  EXPECT_TRUE(writer->Write({}, kLong).ok());
  absl::StatusOr<Delivery> empty = reader->Next(kLong);
  ASSERT_TRUE(empty.ok() && empty->kind == Delivery::Kind::kFrame);
  EXPECT_TRUE(empty->frame.payload.empty());
  const std::vector<size_t> sizes = {
      8, 9, kSegment - 4096 - 16, kSegment - 4096 - 8, kSegment, kLargest, 64};
  for (size_t i = 0; i < sizes.size(); ++i) Write(*writer, i, sizes[i]);
  for (size_t i = 0; i < sizes.size(); ++i) {
    absl::StatusOr<Delivery> next = reader->Next(kLong);
    ASSERT_TRUE(next.ok() && next->kind == Delivery::Kind::kFrame);
    EXPECT_EQ(next->frame.payload.size(), sizes[i]);
    EXPECT_EQ(CheckPattern(next->frame.payload), i);
  }
  const absl::Status above = writer->Claim(kLargest + 1, kLong).status();
  EXPECT_EQ(above.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(above.message().find("1048576"), std::string::npos) << above;
}

TEST_F(StreamTest, AbandonedRoomIsNeverSeen) {
  const auto agent = Attach("both");
  const auto reader = OpenReader(*agent, "numbers");
  const auto writer = OpenWriter(*agent, "numbers");
  ASSERT_TRUE(writer->Claim(64, kLong).ok());
  writer->Abandon();
  EXPECT_FALSE(writer->Commit(64));
  Write(*writer, 5);
  EXPECT_EQ(Read(*reader), 5);
}

TEST_F(StreamTest, TheHotCallsMeet) {
  const auto agent = Attach("both");
  const auto reader = OpenReader(*agent, "numbers");
  const auto writer = OpenWriter(*agent, "numbers");
  Frame frame;
  EXPECT_FALSE(reader->TryNext(frame));
  for (uint64_t i = 0; i < 1000; ++i) {
    std::byte* room = writer->TryClaim(8);
    ASSERT_NE(room, nullptr);
    std::memcpy(room, &i, 8);
    ASSERT_TRUE(writer->Commit(8));
    ASSERT_TRUE(reader->TryNext(frame));
    ASSERT_EQ(CheckPattern(frame.payload), i);
    ASSERT_EQ(frame.lane_id, writer->lane_id());
  }
  EXPECT_FALSE(reader->TryNext(frame));
}

TEST_F(StreamTest, BadNamesAreRefusedWithTheRule) {
  const auto agent = Attach("namer");
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"),
        std::string("a\0b", 3), std::string(4096, 'a'), std::string("a\nb"),
        std::string("\xff\xfe")}) {
    const absl::Status writer = agent->OpenWriter(name).status();
    EXPECT_EQ(writer.code(), absl::StatusCode::kInvalidArgument) << name << ": " << writer;
    EXPECT_FALSE(writer.message().empty());
    EXPECT_EQ(agent->OpenReader(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  AgentOptions options;
  options.dir = coordinator_.dir();
  EXPECT_EQ(Agent::Attach(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.name = "new\nline";
  EXPECT_EQ(Agent::Attach(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StreamTest, AStreamThatIsMissingIsNotFound) {
  const auto agent = Attach("careful");
  EXPECT_EQ(agent->OpenWriter("absent", {.create_if_missing = false}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(agent->OpenReader("absent", {.create_if_missing = false}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(StreamTest, WithoutCoordinatorAttachSaysWhereItLooked) {
  coordinator_.Kill();
  AgentOptions options;
  options.dir = coordinator_.dir();
  options.name = "early";
  options.attach_timeout = kShort;
  const absl::Status status = Agent::Attach(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find(coordinator_.dir()), std::string::npos) << status;
}

TEST_F(StreamTest, DetachRefusesWhileSomethingIsOpen) {
  const auto agent = Attach("holder");
  auto writer = OpenWriter(*agent, "numbers");
  const absl::Status held = agent->Detach();
  EXPECT_EQ(held.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(held.message().find("1 writers"), std::string::npos) << held;
  Write(*writer, 1);  // And nothing has happened.
  writer.reset();
  EXPECT_TRUE(agent->Detach().ok());
  EXPECT_TRUE(agent->Detach().ok());
  EXPECT_EQ(agent->OpenWriter("numbers").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(agent->connected());
}

TEST_F(StreamTest, AWriterOutlivesItsAgentObject) {
  auto source = Attach("source");
  const auto sink = Attach("sink");
  const auto reader = OpenReader(*sink, "numbers");
  const auto writer = OpenWriter(*source, "numbers");
  source.reset();
  Write(*writer, 1);
  EXPECT_EQ(Read(*reader), 1);
}

TEST_F(StreamTest, ATruncatedLaneIsDataLossAndTheOthersGoOn) {
  const auto source = Attach("source");
  const auto sink = Attach("sink");
  const auto reader = OpenReader(*sink, "numbers");
  const auto broken = OpenWriter(*source, "numbers");
  Write(*broken, 1);
  EXPECT_EQ(Read(*reader), 1);
  std::string file;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(coordinator_.volatile_dir())) {
    if (entry.is_regular_file() && entry.file_size() > (1 << 20)) file = entry.path();
  }
  ASSERT_FALSE(file.empty());
  const auto whole = OpenWriter(*source, "numbers");
  std::filesystem::resize_file(file, 4096);
  absl::Status status;
  while (status.ok()) {
    absl::StatusOr<std::span<std::byte>> room = broken->Claim(4096, kLong);
    status = room.status();
    if (room.ok()) {
      FillPattern(2, *room);
      broken->Commit(4096);
    }
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  Write(*whole, 3);
  bool lost = false;
  bool read = false;
  while (!lost || !read) {
    absl::StatusOr<Delivery> next = reader->Next(kLong);
    ASSERT_TRUE(next.ok()) << next.status();
    if (next->kind == Delivery::Kind::kLaneLost) {
      EXPECT_EQ(next->loss.code(), absl::StatusCode::kDataLoss);
      EXPECT_EQ(next->frame.lane_id, broken->lane_id());
      lost = true;
    } else {
      ASSERT_EQ(next->kind, Delivery::Kind::kFrame);
      EXPECT_EQ(CheckPattern(next->frame.payload), 3);
      read = true;
    }
  }
}

TEST_F(StreamTest, NothingIsLeftAfterDetaching) {
  const auto count_fds = [] {
    int count = 0;
    for ([[maybe_unused]] const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
      ++count;
    }
    return count;
  };
  {
    Attach("warm up");
  }  // What gRPC keeps for the whole process is there now.
  const int fds = count_fds();
  for (int round = 0; round < 3; ++round) {
    const auto source = Attach("source");
    const auto sink = Attach("sink");
    auto reader = OpenReader(*sink, "numbers");
    auto writer = OpenWriter(*source, "numbers");
    for (uint64_t i = 0; i < 100; ++i) Write(*writer, i);
    for (uint64_t i = 0; i < 100; ++i) ASSERT_EQ(Read(*reader), i);
    writer.reset();
    ExpectEnded(*reader, EndCause::kClosed);
    reader.reset();
    EXPECT_TRUE(source->Detach().ok());
    EXPECT_TRUE(sink->Detach().ok());
  }
  coordinator_.AwaitFiles(0);
  EXPECT_EQ(coordinator_.Agents(), std::vector<std::string>());
  EXPECT_EQ(count_fds(), fds);
}

}  // namespace
}  // namespace causeway
