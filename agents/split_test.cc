// Files that users bring, split over agents through a real coordinator.

#include "agents/split.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "agents/agent.h"
#include "agents/testing/coordinator_process.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

constexpr absl::Duration kLong = absl::Minutes(1);
constexpr uint64_t kExtent = 64 << 10;
constexpr uint64_t kLength = 5 * kExtent + 123;

class SplitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < kLength; ++i) bytes_ += static_cast<char>(i * 31 + i / 251);
    source_.Reset(open(scratch_.File("source").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    target_.Reset(open(scratch_.File("target").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(write(source_.get(), bytes_.data(), bytes_.size()),
              static_cast<ssize_t>(bytes_.size()));
    ASSERT_EQ(ftruncate(target_.get(), kLength), 0);
    owner_ = Attach("owner");
    worker_ = Attach("worker");
  }

  std::unique_ptr<Agent> Attach(const std::string& name) {
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = name;
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    EXPECT_TRUE(agent.ok()) << agent.status();
    return agent.ok() ? *std::move(agent) : nullptr;
  }

  std::unique_ptr<Split> Open() {
    absl::StatusOr<BroughtFile> source =
        owner_->BringFile(source_.get(), "source", FileAccess::kRead);
    absl::StatusOr<BroughtFile> target =
        owner_->BringFile(target_.get(), "target", FileAccess::kReadWrite);
    EXPECT_TRUE(source.ok() && target.ok()) << source.status() << target.status();
    if (!source.ok() || !target.ok()) return nullptr;
    absl::StatusOr<std::unique_ptr<Split>> split = owner_->OpenSplit({.name = "copy",
                                                                      .source = *source,
                                                                      .target = *target,
                                                                      .length = kLength,
                                                                      .extent_bytes = kExtent});
    EXPECT_TRUE(split.ok()) << split.status();
    return split.ok() ? *std::move(split) : nullptr;
  }

  causeway::testing::ScratchDirectory scratch_;
  CoordinatorProcess coordinator_;
  std::string bytes_;
  UniqueFd source_;
  UniqueFd target_;
  std::unique_ptr<Agent> owner_;
  std::unique_ptr<Agent> worker_;
};

TEST_F(SplitTest, AWorkerCopiesEveryExtent) {
  const auto split = Open();
  ASSERT_NE(split, nullptr);
  EXPECT_EQ(split->extent_count(), 6u);
  int taken = 0;
  while (true) {
    absl::StatusOr<TakenExtent> extent = worker_->TakeExtent("copy", kLong);
    ASSERT_TRUE(extent.ok()) << extent.status();
    if (!extent->granted()) break;
    ++taken;
    absl::StatusOr<std::span<const std::byte>> from = extent->MapSource();
    absl::StatusOr<std::span<std::byte>> to = extent->MapTarget();
    ASSERT_TRUE(from.ok() && to.ok()) << from.status() << to.status();
    ASSERT_EQ(from->size(), extent->length());
    std::memcpy(to->data(), from->data(), from->size());
    ASSERT_TRUE(extent->Complete().ok());
    EXPECT_EQ(extent->Complete().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(taken, 6);
  std::string copied(kLength, '\0');
  ASSERT_EQ(pread(target_.get(), copied.data(), copied.size(), 0), static_cast<ssize_t>(kLength));
  EXPECT_EQ(copied, bytes_);
  absl::StatusOr<SplitProgress> progress = split->Describe();
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_EQ(progress->completed, 6u);
  EXPECT_EQ(progress->completed_bytes, kLength);
  EXPECT_TRUE(progress->failure.empty());
}

TEST_F(SplitTest, DescriptorsHaveExactlyTheGrantedRights) {
  const auto split = Open();
  absl::StatusOr<TakenExtent> extent = worker_->TakeExtent("copy", kLong);
  ASSERT_TRUE(extent.ok() && extent->granted()) << extent.status();
  EXPECT_EQ(fcntl(extent->source_fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(fcntl(extent->target_fd(), F_GETFL) & O_ACCMODE, O_RDWR);
  const absl::Status held = worker_->Detach();
  EXPECT_EQ(held.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(held.message().find("1 taken extents"), std::string::npos) << held;
}

TEST_F(SplitTest, WhatOthersHoldIsWaitedForUntilTheDeadline) {
  const auto split = Open();
  std::vector<TakenExtent> held;
  for (int i = 0; i < 6; ++i) {
    absl::StatusOr<TakenExtent> extent = worker_->TakeExtent("copy", kLong);
    ASSERT_TRUE(extent.ok() && extent->granted()) << extent.status();
    held.push_back(*std::move(extent));
  }
  const auto idle = Attach("idle");
  EXPECT_EQ(idle->TakeExtent("copy", absl::Milliseconds(20)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SplitTest, AFailureEndsTheSplitForAll) {
  const auto split = Open();
  absl::StatusOr<TakenExtent> extent = worker_->TakeExtent("copy", kLong);
  ASSERT_TRUE(extent.ok() && extent->granted()) << extent.status();
  EXPECT_TRUE(extent->Fail("the disk is on fire").ok());
  const absl::Status next = owner_->TakeExtent("copy", kLong).status();
  EXPECT_EQ(next.code(), absl::StatusCode::kAborted) << next;
  EXPECT_NE(next.message().find("on fire"), std::string::npos) << next;
  EXPECT_NE(split->Describe()->failure.find("on fire"), std::string::npos);
}

TEST_F(SplitTest, AClosedSplitIsNotFound) {
  auto split = Open();
  split.reset();
  EXPECT_EQ(worker_->TakeExtent("copy", kLong).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SplitTest, FewerRightsThanNamedAreRefused) {
  UniqueFd read_only(open(scratch_.File("target").c_str(), O_RDONLY | O_CLOEXEC));
  const absl::Status status =
      owner_->BringFile(read_only.get(), "target", FileAccess::kReadWrite).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
}

}  // namespace
}  // namespace causeway
