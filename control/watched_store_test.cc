#include "control/watched_store.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "control/store/memory_store.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

class WatchedStoreTest : public ::testing::Test {
 protected:
  absl::Status CommitOne() { return store_.Commit({Write::Put("t", "k", "v")}); }

  std::unique_ptr<MemoryStore> memory_ = MemoryStore::OpenEmpty();
  MemoryStore& disk_ = *memory_;
  std::vector<absl::Status> failures_;
  WatchedStore store_{std::move(memory_),
                      [this](const absl::Status& status) { failures_.push_back(status); }};
};

TEST_F(WatchedStoreTest, PassesEverythingOn) {
  ASSERT_TRUE(CommitOne().ok());
  EXPECT_EQ(store_.Load()->size(), 1u);
  EXPECT_TRUE(store_.Close().ok());
  EXPECT_FALSE(CommitOne().ok());
  EXPECT_TRUE(failures_.empty());
}

TEST_F(WatchedStoreTest, ReportsOnceThatTheDiskCannotBeTrusted) {
  disk_.FailNextCommit(absl::DataLossError("EIO"));
  EXPECT_FALSE(CommitOne().ok());
  EXPECT_FALSE(CommitOne().ok());
  EXPECT_EQ(failures_, std::vector<absl::Status>{absl::DataLossError("EIO")});
}

TEST_F(WatchedStoreTest, DoesNotReportWhatPasses) {
  disk_.FailNextCommit(absl::ResourceExhaustedError("full"));
  EXPECT_FALSE(CommitOne().ok());
  EXPECT_TRUE(CommitOne().ok());
  EXPECT_TRUE(failures_.empty());
}

}  // namespace
}  // namespace causeway
