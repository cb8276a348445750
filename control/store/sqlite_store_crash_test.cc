// SIGKILL at any moment: what was acknowledged is there, nothing is there by half, nothing is
// repaired by hand, and no lock is left.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "control/store/numbered_batch.h"
#include "control/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/unique_fd.h"

namespace causeway::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A child process that reports numbers until it is killed.
class Child {
 public:
  // `body` calls its argument with a number to report it.
  explicit Child(absl::FunctionRef<void(absl::FunctionRef<void(uint64_t)>)> body) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      body([&](uint64_t number) {
        if (write(ends[1], &number, sizeof(number)) != sizeof(number)) _exit(1);
      });
      _exit(0);
    }
    close(ends[1]);
    reports_.Reset(ends[0]);
  }

  // The next report; false if the child has ended and there is none. Blocks.
  bool Read(uint64_t& number) {
    return read(reports_.get(), &number, sizeof(number)) == sizeof(number);
  }

  void Kill() {
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd reports_;
};

// Lets time pass that no clock measures, so that the signal comes anywhere in what the child does.
void Spin(uint64_t steps) {
  for (volatile uint64_t i = 0; i < steps;) i = i + 1;
}

TEST(SqliteStoreKilled, HasEveryAcknowledgedBatchAndNoHalfOne) {
  const ScratchDirectory directory;
  const std::string path = directory.File("state.db");
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  uint64_t last = 0;
  // Some signals meet a checkpoint.
  for (int round = 0; round < 20; ++round) {
    Child child([&](absl::FunctionRef<void(uint64_t)> report) {
      absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
      if (!store.ok()) _exit(2);
      for (uint64_t number = last + 1;; ++number) {
        if (!(*store)->Commit(NumberedBatch(number)).ok()) _exit(3);
        report(number);
      }
    });
    uint64_t acknowledged = last;
    for (uint64_t left = random() % 40; left > 0; --left) ASSERT_TRUE(child.Read(acknowledged));
    Spin(random() % 3'000'000);
    child.Kill();
    while (child.Read(acknowledged)) {
    }
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
    ASSERT_THAT(store, IsOk());
    last = NumberOfBatchIn(**store);
    ASSERT_GE(last, acknowledged);
    ASSERT_LE(last, acknowledged + 1);
  }
  EXPECT_GT(last, 20u) << "hardly a batch was committed";
}

TEST(SqliteStoreKilled, IsWholeOrAbsentWhenCreationIsCut) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 30; ++round) {
    const ScratchDirectory directory;
    const std::string path = directory.File("state.db");
    Child child([&](absl::FunctionRef<void(uint64_t)> report) {
      report(0);
      const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
      while (store.ok()) pause();
    });
    uint64_t started = 0;
    ASSERT_TRUE(child.Read(started));
    Spin(random() % 10'000'000);
    child.Kill();
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
    ASSERT_THAT(store, IsOk());
    EXPECT_THAT(*(*store)->Load(), IsEmpty());
  }
}

TEST(SqliteStoreKilled, LeavesNoLock) {
  const ScratchDirectory directory;
  const std::string path = directory.File("state.db");
  Child child([&](absl::FunctionRef<void(uint64_t)> report) {
    const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
    if (!store.ok()) _exit(2);
    report(0);
    while (true) pause();
  });
  uint64_t opened = 0;
  ASSERT_TRUE(child.Read(opened));
  EXPECT_THAT(OpenSqliteStore(path),
              StatusIs(absl::StatusCode::kUnavailable,
                       ::testing::AllOf(HasSubstr(path), HasSubstr("another process"))));
  child.Kill();
  EXPECT_THAT(OpenSqliteStore(path), IsOk());
}

}  // namespace
}  // namespace causeway::testing
