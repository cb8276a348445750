// The store on a disk that fails, fills up and loses power. To replay a failure, set CAUSEWAY_SEED
// to the seed that it printed: bazel test --test_env=CAUSEWAY_SEED=... <this test>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "control/store/fault_vfs.h"
#include "control/store/numbered_batch.h"
#include "control/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

using Code = absl::StatusCode;
using Fault = FaultVfs::Fault;

uint64_t Seed() {
  const char* seed = std::getenv("CAUSEWAY_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device()();
}

int64_t OpenDescriptors() {
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return std::distance(begin(descriptors), end(descriptors));
}

// What was acknowledged, and what may be there besides.
struct History {
  uint64_t acknowledged = 0;
  std::optional<uint64_t> unknown;

  // Takes note of which of the two it was.
  void ExpectIn(Store& store) {
    const uint64_t found = NumberOfBatchIn(store);
    EXPECT_THAT(found, AnyOf(acknowledged, unknown.value_or(acknowledged)));
    acknowledged = found;
    unknown.reset();
  }
};

// Commits batches up to `last` as long as the store takes them, and sees that it keeps its
// promises. Returns whether all were taken.
bool CommitBatches(Store& store, uint64_t last, History& history) {
  for (uint64_t number = history.acknowledged + 1; number <= last; ++number) {
    const absl::Status status = store.Commit(NumberedBatch(number));
    if (status.ok()) {
      history.acknowledged = number;
    } else if (absl::IsResourceExhausted(status)) {
      EXPECT_EQ(NumberOfBatchIn(store), history.acknowledged);
    } else {
      EXPECT_THAT(status, StatusIs(Code::kDataLoss, HasSubstr("until the file is opened anew")));
      history.unknown = number;
      EXPECT_EQ(store.Commit(NumberedBatch(number + 1)), status);
      EXPECT_EQ(store.Load().status(), status);
      return false;
    }
  }
  return true;
}

class SqliteStoreOnBadDisk : public ::testing::Test {
 protected:
  SqliteStoreOnBadDisk() : vfs_(FaultVfs::Install()), seed_(Seed()), random_(seed_) {
    vfs_.Reset(seed_);
  }

  std::string Path() const { return directory_.File("state.db"); }

  // Opens the store on the repaired disk, which must succeed, and compares.
  void ExpectSurvived(History& history) {
    vfs_.Reset(random_());
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(Path());
    ASSERT_THAT(store, IsOk());
    history.ExpectIn(**store);
  }

  // Lets the calls from `first` to `last` of a run of so many batches fail. Returns how many calls
  // there were.
  int64_t RunWithFault(int64_t first, int64_t last, Fault fault, uint64_t batches) {
    SCOPED_TRACE(absl::StrCat("calls ", first, " to ", last, ", CAUSEWAY_SEED=", seed_));
    for (const char* suffix : {"", "-wal"}) std::filesystem::remove(Path() + suffix);
    vfs_.Reset(random_());
    History history;
    {
      absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(Path());
      EXPECT_THAT(store, IsOk());
      EXPECT_TRUE(CommitBatches(**store, 3, history));
      // A log is left for the next to read, as after a crash.
      std::filesystem::copy(Path(), Path() + ".copy");
      std::filesystem::copy(Path() + "-wal", Path() + "-wal.copy");
    }
    std::filesystem::rename(Path() + ".copy", Path());
    std::filesystem::rename(Path() + "-wal.copy", Path() + "-wal");
    const int64_t descriptors = OpenDescriptors();
    vfs_.Reset(random_());
    vfs_.Fail(first, last, fault);
    {
      absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(Path());
      if (store.ok()) {
        CommitBatches(**store, batches, history);
        (*store)->Close().IgnoreError();
      } else {
        EXPECT_THAT(store.status().code(),
                    AnyOf(Code::kDataLoss, Code::kResourceExhausted, Code::kFailedPrecondition));
        EXPECT_THAT(std::string(store.status().message()), HasSubstr(Path()));
      }
    }
    EXPECT_EQ(OpenDescriptors(), descriptors);
    const int64_t calls = vfs_.calls();
    ExpectSurvived(history);
    return calls;
  }

  void RunWithEachFault(Fault fault) {
    constexpr uint64_t kEnough = 25;  // for a checkpoint
    constexpr int64_t kFirstCalls = 60;
    const int64_t calls = RunWithFault(0, -1, fault, kEnough);
    ASSERT_GT(calls, 1000);
    // Each call while opening and in the first batch, then a sample.
    for (int64_t call = 1; call <= calls && !HasFailure(); ++call) {
      const uint64_t batches = call <= kFirstCalls ? 6 : kEnough;
      RunWithFault(call, call, fault, batches);
      RunWithFault(call, INT64_MAX, fault, batches);
      if (call > kFirstCalls) call += random_() % 200;
    }
  }

  ScratchDirectory directory_;
  FaultVfs& vfs_;
  const uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(SqliteStoreOnBadDisk, KeepsItsPromisesWhicheverCallFails) {
  RunWithEachFault(Fault::kIoError);
}

TEST_F(SqliteStoreOnBadDisk, KeepsItsPromisesWhicheverWriteFindsTheDiskFull) {
  RunWithEachFault(Fault::kFull);
}

// Half of a new page before the other half of an old one may be a valid page, if the two differ
// only in front: a commit that failed for want of space must not come back because of that.
TEST_F(SqliteStoreOnBadDisk, IsNotFooledByHalfAPageOverAnOldOne) {
  SCOPED_TRACE(absl::StrCat("CAUSEWAY_SEED=", seed_));
  History history;
  for (int round = 0; round < 30 && !HasFailure(); ++round) {
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(Path());
    ASSERT_THAT(store, IsOk());
    // More than a checkpoint, after which the log begins to overwrite itself.
    ASSERT_TRUE(CommitBatches(**store, history.acknowledged + 23, history));
    const int64_t before = vfs_.calls();
    ASSERT_TRUE(CommitBatches(**store, history.acknowledged + 1, history));
    const int64_t calls = vfs_.calls() - before;  // the last one is the sync
    vfs_.Fail(vfs_.calls() + calls - 1, INT64_MAX, Fault::kFull);
    CommitBatches(**store, history.acknowledged + 1, history);
    store->reset();
    ExpectSurvived(history);
  }
}

// A commit whose sync failed, a new beginning without a reboot, commits or none, a power cut. What
// the first one left in the log counts as clean and is not on the disk; what the new beginning
// found of it, and the later commits, must be.
TEST_F(SqliteStoreOnBadDisk, LosesNothingThatCameAfterASyncThatFailed) {
  SCOPED_TRACE(absl::StrCat("CAUSEWAY_SEED=", seed_));
  History history;
  for (int life = 0; life < 40 && !HasFailure(); ++life) {
    vfs_.Reset(random_());
    {
      absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(Path());
      ASSERT_THAT(store, IsOk());
      ASSERT_TRUE(CommitBatches(**store, history.acknowledged + random_() % 3, history));
      vfs_.FailNextSync();
      // The second sync would succeed, but proves nothing: this sees it refused.
      ASSERT_FALSE(CommitBatches(**store, history.acknowledged + 1, history));
    }
    {
      absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(Path());
      ASSERT_THAT(store, IsOk());
      history.ExpectIn(**store);
      ASSERT_TRUE(CommitBatches(**store, history.acknowledged + random_() % 3, history));
      vfs_.CutPower(vfs_.calls() + 1);
    }
    vfs_.RestoreFromDisks();
    ExpectSurvived(history);
  }
}

// Life after life, each ended by a power cut, some of them with syncs that failed before.
TEST_F(SqliteStoreOnBadDisk, HasAllThatWasAcknowledgedAfterEachPowerCut) {
  SCOPED_TRACE(absl::StrCat("CAUSEWAY_SEED=", seed_));
  History history;
  ASSERT_NO_FATAL_FAILURE(ExpectSurvived(history));
  for (int life = 0; life < 150 && !HasFailure(); ++life) {
    SCOPED_TRACE(absl::StrCat("life ", life));
    vfs_.Reset(random_());
    // Short lives are cut while they recover from the one before.
    const int64_t end = 1 + random_() % (random_() % 3 == 0 ? 40 : 3000);
    vfs_.CutPower(end);
    while (vfs_.calls() < end) {
      absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(Path());
      if (!store.ok()) continue;
      history.ExpectIn(**store);
      CommitBatches(**store, history.acknowledged + random_() % 10, history);
      if (random_() % 2 == 0) vfs_.FailNextSync();
      CommitBatches(**store, history.acknowledged + random_() % 30, history);
    }
    vfs_.RestoreFromDisks();
    ASSERT_NO_FATAL_FAILURE(ExpectSurvived(history));
  }
  EXPECT_GT(history.acknowledged, 100u) << "hardly a batch was committed";
}

}  // namespace
}  // namespace causeway::testing
