#include "control/store/memory_store.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "control/store/store_conformance.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::StatusIs;
using ::causeway::testing::StoreConformance;
using ::causeway::testing::StorePlace;
using ::testing::ElementsAre;

class MemoryPlace : public StorePlace {
 public:
  absl::StatusOr<std::unique_ptr<Store>> Open() override { return MemoryStore::Open(disk_); }

 private:
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
};

std::unique_ptr<StorePlace> NewMemoryPlace() { return std::make_unique<MemoryPlace>(); }

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance, ::testing::Values(NewMemoryPlace));

TEST(MemoryStore, FailsTheNextCommitAndChangesNothing) {
  std::unique_ptr<MemoryStore> store = MemoryStore::OpenEmpty();
  ASSERT_THAT(store->Commit({Write::Put("t", "a", "1")}), IsOk());
  store->FailNextCommit(absl::ResourceExhaustedError("full"));
  EXPECT_THAT(store->Commit({}), IsOk());
  EXPECT_EQ(store->Commit({Write::Put("t", "b", "2"), Write::Delete("t", "a")}),
            absl::ResourceExhaustedError("full"));
  EXPECT_THAT(*store->Load(), ElementsAre(Record{"t", "a", "1"}));
  EXPECT_THAT(store->Commit({Write::Put("t", "b", "2")}), IsOk());
  EXPECT_THAT(*store->Load(), ElementsAre(Record{"t", "a", "1"}, Record{"t", "b", "2"}));
}

TEST(MemoryStore, AcceptsNothingAfterDataLoss) {
  std::unique_ptr<MemoryStore> store = MemoryStore::OpenEmpty();
  store->FailNextCommit(absl::DataLossError("sync failed"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(store->Commit({Write::Put("t", "a", "1")}), StatusIs(absl::StatusCode::kDataLoss));
  }
}

}  // namespace
}  // namespace causeway
