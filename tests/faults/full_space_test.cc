// A file system of 64 MiB that fills up, with the volatile directory on it, or with the
// coordinator's own, its state included: every operation that allocates says what it needed, what
// is free and who holds the rest, and leaves nothing half-made; what was granted before stays good
// for every byte; and all goes on when there is space again.

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/testing/coordinator_process.h"
#include "agents/testing/pattern.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"
#include "mmapcore/testing/small_filesystem.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::SmallFilesystem;
using ::causeway::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Minutes(1);
constexpr size_t kFrameBytes = 64 << 10;

// In a program of its own, for mounting comes before any thread.
class FullSpaceTest : public ::testing::TestWithParam<SmallFilesystem::Kind> {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<SmallFilesystem>> small =
        SmallFilesystem::Mount(GetParam(), 64 << 20);
    if (!small.ok()) GTEST_SKIP() << small.status();
    small_ = *std::move(small);
    CoordinatorProcess::Parents parents;
    if (OnDisk()) {
      // The address of a Unix socket has room for 107 characters.
      std::filesystem::create_directory_symlink(small_->path(), link_);
      parents.dir = link_;
    } else {
      parents.volatile_dir = small_->path();
    }
    coordinator_ = std::make_unique<CoordinatorProcess>(parents);
    AgentOptions options;
    options.dir = coordinator_->dir();
    options.name = "greedy";
    agent_ = *Agent::Attach(options);
  }

  void TearDown() override {
    agent_.reset();
    coordinator_.reset();
    std::filesystem::remove(link_);
  }

  static bool OnDisk() { return GetParam() == SmallFilesystem::Kind::kExt4; }

  static StreamOptions Options() {
    return {.durability = OnDisk() ? Durability::kCached : Durability::kMemory,
            .segment_bytes = 1 << 20,
            .capacity_bytes = 32 << 20,
            .max_frame_bytes = 8 << 20};
  }

  // What a file that does not fit is answered with.
  static auto IsNoSpaceFor(absl::StatusCode code) {
    return StatusIs(code, AllOf(HasSubstr("causeway-test-"), HasSubstr("needed "),
                                HasSubstr("free "), HasSubstr("\"greedy\"")));
  }

  // What everything that allocates is answered with where nothing at all is free. On the disk that
  // also has the coordinator's state, it is this that does not fit.
  static auto IsNoSpace(absl::StatusCode code = absl::StatusCode::kResourceExhausted) {
    const auto of_state =
        StatusIs(code, AllOf(HasSubstr("state.db"), HasSubstr(" needs "), HasSubstr(" are free")));
    return OnDisk() ? ::testing::Matcher<const absl::Status&>(of_state)
                    : ::testing::Matcher<const absl::Status&>(IsNoSpaceFor(code));
  }

  absl::Status Write(Writer& writer, uint64_t number, absl::Duration timeout = kLong) {
    absl::StatusOr<std::span<std::byte>> room = writer.Claim(kFrameBytes, timeout);
    if (!room.ok()) return room.status();
    FillPattern(number, *room);
    return writer.Commit(kFrameBytes) ? absl::OkStatus() : absl::DataLossError("not committed");
  }

  // A segment that the writer asks for ahead counts until its allocation has failed.
  bool ComesToGranted(uint64_t bytes) {
    const Deadline deadline = Deadline::After(kLong);
    while (coordinator_->GrantedBytes() != bytes) {
      if (deadline.HasPassed()) return false;
    }
    return true;
  }

  void MakeSpace() {
    for (const auto& entry : std::filesystem::directory_iterator(small_->path())) {
      if (entry.path().filename().string().starts_with("filler")) {
        std::filesystem::remove(entry.path());
      }
    }
  }

  const std::string link_ = absl::StrCat("/tmp/causeway-full-", getpid());
  std::unique_ptr<SmallFilesystem> small_;
  std::unique_ptr<CoordinatorProcess> coordinator_;
  std::unique_ptr<Agent> agent_;
};

TEST_P(FullSpaceTest, EachOperationSaysWhatItNeedsAndGoesOnWhenThereIsSpace) {
  const auto writer = *agent_->OpenWriter("numbers", {.stream = Options()});
  const auto reader = *agent_->OpenReader("numbers");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  ASSERT_THAT(small_->FillUntilFree(0), IsOk());
  const uint64_t granted = coordinator_->GrantedBytes();
  const size_t files = coordinator_->CountFiles();

  EXPECT_THAT(agent_->OpenWriter("others", {.stream = Options()}).status(), IsNoSpace());
  EXPECT_THAT(agent_->OpenReader("numbers").status(), IsNoSpace());
  // A frame that needs a segment of its own.
  EXPECT_THAT(writer->Claim(7 << 20, kLong).status(), IsNoSpace());
  EXPECT_TRUE(ComesToGranted(granted)) << coordinator_->GrantedBytes();
  EXPECT_EQ(coordinator_->CountFiles(), files);

  // What was granted takes every byte; then the lane cannot grow, and readers are waited for.
  uint64_t written = 0;
  absl::Status status;
  while ((status = Write(*writer, written, absl::Seconds(1))).ok()) ++written;
  EXPECT_GT(written, 10u);
  EXPECT_THAT(status.message(), HasSubstr("the lane cannot grow"));
  EXPECT_THAT(status, IsNoSpace(absl::StatusCode::kDeadlineExceeded));
  uint64_t read = 0;
  const auto read_one = [&] {
    const absl::StatusOr<Delivery> next = reader->Next(kLong);
    ASSERT_TRUE(next.ok() && next->kind == Delivery::Kind::kFrame) << next.status();
    ASSERT_EQ(CheckPattern(next->frame.payload), read++);
  };
  while (read < written) read_one();
  for (; written < 500; ++written) {  // Many times what it has.
    ASSERT_THAT(Write(*writer, written), IsOk());
    read_one();
  }
  EXPECT_TRUE(ComesToGranted(granted)) << coordinator_->GrantedBytes();

  MakeSpace();
  const auto others_writer = agent_->OpenWriter("others", {.stream = Options()});
  EXPECT_THAT(others_writer.status(), IsOk());
  EXPECT_THAT(agent_->OpenReader("numbers").status(), IsOk());
  const absl::StatusOr<std::span<std::byte>> large = writer->Claim(7 << 20, kLong);
  EXPECT_THAT(large.status(), IsOk());
  writer->Abandon();
  // And the lane grows again.
  for (int i = 0; i < 100; ++i) ASSERT_THAT(Write(*writer, written++), IsOk());
}

TEST_P(FullSpaceTest, WhatDoesNotFitLeavesTheRestToWhatDoes) {
  const auto writer = *agent_->OpenWriter("numbers", {.stream = Options()});
  ASSERT_THAT(small_->FillUntilFree(512 << 10), IsOk());
  const uint64_t granted = coordinator_->GrantedBytes();
  const uint64_t free = small_->FreeBytes();
  constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
  EXPECT_THAT(agent_->OpenWriter("others", {.stream = Options()}).status(),
              IsNoSpaceFor(kExhausted));
  EXPECT_THAT(writer->Claim(7 << 20, kLong).status(), IsNoSpaceFor(kExhausted));
  EXPECT_TRUE(ComesToGranted(granted)) << coordinator_->GrantedBytes();
  // The state may have grown by some pages.
  EXPECT_GE(small_->FreeBytes() + (64 << 10), free);
  EXPECT_THAT(agent_->OpenReader("numbers").status(), IsOk());
}

TEST_P(FullSpaceTest, ACoordinatorStartsWhereNothingIsFree) {
  const auto writer = *agent_->OpenWriter("numbers", {.stream = Options()});
  const auto reader = *agent_->OpenReader("numbers");
  ASSERT_TRUE(writer->WaitForReaders(1, kLong).ok());
  ASSERT_THAT(small_->FillUntilFree(0), IsOk());
  coordinator_->Kill();
  coordinator_->Start();
  ASSERT_THAT(Write(*writer, 0), IsOk());
  EXPECT_TRUE(reader->Next(kLong).ok());
  MakeSpace();
  EXPECT_THAT(agent_->OpenWriter("others", {.stream = Options()}).status(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(On, FullSpaceTest,
                         ::testing::Values(SmallFilesystem::Kind::kTmpfs,
                                           SmallFilesystem::Kind::kExt4),
                         [](const auto& info) { return testing::Name(info.param); });

}  // namespace
}  // namespace causeway
