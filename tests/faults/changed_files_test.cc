// Files that somebody changes from outside while lanes in them are written and read. The damage is
// of one lane, or none; the processes and the other streams live; and what is left is collected.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kLong = absl::Minutes(1);
constexpr size_t kFrameBytes = 64 << 10;
constexpr uint64_t kCapacityBytes = 8 << 20;
constexpr uint64_t kFrames = 2048;  // 128 MiB in each stream

enum class Verdict {
  kNoEffect,
  kDataLoss,
  // Zeros in the place of frames look like frames that are yet to come: the reader stands before
  // them, and its writer waits for it.
  kStandsStill,
};

struct Change {
  const char* name;
  Verdict verdict;
  // `file`: of the lane; `files`: the directory that it is in.
  std::function<void(const fs::path& file, const fs::path& files)> make;
  std::function<void(const fs::path& files)> unmake = [](const fs::path&) {};
  // What the coordinator did not find when it was to remove it, its successor does.
  bool collected_at_next_start = false;
};

std::ostream& operator<<(std::ostream& out, const Change& change) { return out << change.name; }

const Change kChanges[] = {
    {"TruncatedToNothing", Verdict::kDataLoss,
     [](const fs::path& file, const fs::path&) { fs::resize_file(file, 0); }},
    {"TruncatedToItsFirstSegment", Verdict::kDataLoss,
     [](const fs::path& file, const fs::path&) { fs::resize_file(file, 256 << 10); }},
    {"Punched", Verdict::kStandsStill,
     [](const fs::path& file, const fs::path&) {
       const int fd = open(file.c_str(), O_RDWR | O_CLOEXEC);
       ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096,
                           static_cast<off_t>(fs::file_size(file)) - 4096),
                 0);
       close(fd);
     }},
    {"Unlinked", Verdict::kNoEffect,
     [](const fs::path& file, const fs::path&) { fs::remove(file); }},
    {"Replaced", Verdict::kNoEffect,
     [](const fs::path& file, const fs::path&) {
       const fs::path other = file.string() + ".other";
       close(open(other.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
       fs::rename(other, file);
     }},
    {"WithoutPermissions", Verdict::kNoEffect,
     [](const fs::path& file, const fs::path&) { ASSERT_EQ(chmod(file.c_str(), 0), 0); }},
    {"DirectoryMoved", Verdict::kNoEffect,
     [](const fs::path&, const fs::path& files) { fs::rename(files, files.string() + ".moved"); },
     [](const fs::path& files) { fs::rename(files.string() + ".moved", files); }, true},
};

// One stream, written and read by threads of this process.
class Exchange {
 public:
  Exchange(Agent& source, Agent& sink, const std::string& stream)
      : writer_(*source.OpenWriter(stream, {.stream = {.segment_bytes = 1 << 20,
                                                       .capacity_bytes = kCapacityBytes,
                                                       .max_frame_bytes = kFrameBytes}})),
        reader_(*sink.OpenReader(stream)) {
    EXPECT_TRUE(writer_->WaitForReaders(1, kLong).ok());
    reading_ = std::thread([this] { Read(); });
    writing_ = std::thread([this] { Write(); });
  }

  // Half of the frames have been read; the rest waits for GoOn().
  void AwaitHalf() { half_.WaitForNotification(); }
  void GoOn() { go_on_.Notify(); }
  void Join() {
    writing_.join();
    reading_.join();
  }
  uint64_t read() const { return read_; }
  const absl::Status& written() const { return written_; }
  const absl::Status& lost() const { return lost_; }

 private:
  // For as long as the reader was told to wait, and a moment more.
  absl::StatusOr<std::span<std::byte>> ClaimPatiently() {
    while (true) {
      const bool waits = !go_on_.HasBeenNotified();
      absl::StatusOr<std::span<std::byte>> room = writer_->Claim(kFrameBytes, absl::Seconds(2));
      if (!waits || !absl::IsDeadlineExceeded(room.status())) return room;
    }
  }

  void Write() {
    for (uint64_t i = 0; i < kFrames && written_.ok(); ++i) {
      absl::StatusOr<std::span<std::byte>> room = ClaimPatiently();
      written_ = room.status();
      if (!room.ok()) break;
      FillPattern(i, *room);
      // Damage is told by the next claim.
      if (!writer_->Commit(kFrameBytes)) written_ = ClaimPatiently().status();
    }
    writer_.reset();
  }

  void Read() {
    while (true) {
      absl::StatusOr<Delivery> next = reader_->Next(kLong);
      ASSERT_TRUE(next.ok()) << next.status();
      if (next->kind == Delivery::Kind::kLaneLost) lost_ = next->loss;
      if (next->kind != Delivery::Kind::kFrame) break;
      const std::optional<uint64_t> number = CheckPattern(next->frame.payload);
      if (reader_->damaged()) continue;  // Then the next call says so.
      ASSERT_EQ(number, read_.load());
      ++read_;
      if (read_ == kFrames / 2) {
        half_.Notify();
        go_on_.WaitForNotification();
      }
    }
    reader_.reset();
  }

  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;
  absl::Notification half_;
  absl::Notification go_on_;
  std::atomic<uint64_t> read_ = 0;
  absl::Status written_;
  absl::Status lost_;
  std::thread writing_;
  std::thread reading_;
};

class ChangedFilesTest : public ::testing::TestWithParam<Change> {
 protected:
  std::unique_ptr<Agent> Attach(const std::string& name) {
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = name;
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    EXPECT_TRUE(agent.ok()) << agent.status();
    return agent.ok() ? *std::move(agent) : nullptr;
  }

  std::set<fs::path> Lanes() {
    std::set<fs::path> lanes;
    for (const auto& entry : fs::directory_iterator(files_)) {
      if (entry.path().filename().string().starts_with("lane-")) lanes.insert(entry.path());
    }
    return lanes;
  }

  CoordinatorProcess coordinator_;
  const fs::path files_ = coordinator_.volatile_dir() + "/files";
};

TEST_P(ChangedFilesTest, HarmOneLaneAtMost) {
  auto source = Attach("source");
  auto sink = Attach("sink");
  Exchange victim(*source, *sink, "victim");
  const std::set<fs::path> lanes = Lanes();
  ASSERT_EQ(lanes.size(), 1u);
  Exchange other(*source, *sink, "other");
  victim.AwaitHalf();
  other.AwaitHalf();
  // The victim's reader stands, so its lane takes all that it may have: what is granted after a
  // change would make the file long again.
  while (fs::file_size(*lanes.begin()) < kCapacityBytes) absl::SleepFor(absl::Milliseconds(1));
  GetParam().make(*lanes.begin(), files_);
  victim.GoOn();
  other.GoOn();
  victim.Join();
  other.Join();

  EXPECT_EQ(other.read(), kFrames);
  EXPECT_TRUE(other.written().ok()) << other.written();
  EXPECT_TRUE(other.lost().ok()) << other.lost();
  switch (GetParam().verdict) {
    case Verdict::kNoEffect:
      EXPECT_EQ(victim.read(), kFrames);
      EXPECT_TRUE(victim.written().ok()) << victim.written();
      EXPECT_TRUE(victim.lost().ok()) << victim.lost();
      break;
    case Verdict::kDataLoss:
      EXPECT_EQ(victim.written().code(), absl::StatusCode::kDataLoss) << victim.written();
      EXPECT_LT(victim.read(), kFrames);
      break;
    case Verdict::kStandsStill:
      EXPECT_LT(victim.read(), kFrames);
      EXPECT_FALSE(victim.written().ok() && victim.lost().ok());
      break;
  }
  // Both agents live, and can do anything.
  GetParam().unmake(files_);
  EXPECT_TRUE(source->status().ok());
  EXPECT_TRUE(sink->status().ok());
  Exchange again(*source, *sink, "victim");
  again.AwaitHalf();
  again.GoOn();
  again.Join();
  EXPECT_EQ(again.read(), kFrames);
  source.reset();
  sink.reset();
  EXPECT_EQ(coordinator_.GrantedBytes(), 0u);
  if (GetParam().collected_at_next_start) {
    coordinator_.Kill();
    coordinator_.Start();
  }
  coordinator_.AwaitFiles(0);
}

INSTANTIATE_TEST_SUITE_P(EachChange, ChangedFilesTest, ::testing::ValuesIn(kChanges),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace causeway
