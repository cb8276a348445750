// Each system call of the state's life fails, once and for ever: the file is made, opened, a batch
// is committed. Whatever happened, the next opening succeeds without repair, and has all that was
// acknowledged. (sqlite_store_fault_test does more of this to single commits, below SQLite.)

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/store/sqlite_store.h"
#include "control/store/store.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/refusal_trial.h"

namespace causeway::testing {
namespace {

absl::Status OpenAndCommit(const std::string& path, const std::string& key) {
  absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
  if (!store.ok()) return store.status();
  const Write write = Write::Put("table", key, "value");
  const absl::Status committed = (*store)->Commit({&write, 1});
  (*store)->Close().IgnoreError();
  return committed;
}

bool Has(const std::string& path, const std::string& key) {
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path);
  if (!store.ok()) return false;
  const absl::StatusOr<std::vector<Record>> records = (*store)->Load();
  if (!records.ok()) return false;
  for (const Record& record : *records) {
    if (record.key == key) return true;
  }
  return false;
}

TEST(SqliteStoreRefusal, MakingTheFile) {
  const int tried = TryEachRefusal("a new state file", [](const std::string& directory) {
    const std::string path = directory + "/state.db";
    return RefusalTrial{.run = [path] { return OpenAndCommit(path, "a"); },
                        .done = [path] { return Has(path, "a"); },
                        .may_leave_files = true};
  });
  EXPECT_GE(tried, 50);
}

TEST(SqliteStoreRefusal, OpeningAndCommitting) {
  const int tried = TryEachRefusal("a state file", [](const std::string& directory) {
    const std::string path = directory + "/state.db";
    EXPECT_TRUE(OpenAndCommit(path, "before").ok());
    return RefusalTrial{.run = [path] { return OpenAndCommit(path, "a"); },
                        .done = [path] { return Has(path, "before") && Has(path, "a"); },
                        .may_leave_files = true};
  });
  EXPECT_GE(tried, 50);
}

}  // namespace
}  // namespace causeway::testing
