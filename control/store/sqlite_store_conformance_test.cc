#include <memory>

#include "control/store/sqlite_store.h"
#include "control/store/store_conformance.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"

namespace causeway::testing {
namespace {

class SqlitePlace : public StorePlace {
 public:
  absl::StatusOr<std::unique_ptr<Store>> Open() override {
    return OpenSqliteStore(directory_.File("state.db"));
  }

 private:
  ScratchDirectory directory_;
};

std::unique_ptr<StorePlace> NewSqlitePlace() { return std::make_unique<SqlitePlace>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance, ::testing::Values(NewSqlitePlace));

}  // namespace
}  // namespace causeway::testing
