#include "control/store/store_conformance.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/store/record_key.h"
#include "gmock/gmock.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What the store ought to hold.
using Model = std::map<std::pair<std::string, std::string>, std::string>;

std::vector<Record> RecordsOf(const Model& model) {
  std::vector<Record> records;
  for (const auto& [id, value] : model) records.push_back({id.first, id.second, value});
  return records;
}

}  // namespace

void StoreConformance::SetUp() {
  place_ = GetParam()();
  absl::StatusOr<std::unique_ptr<Store>> store = place_->Open();
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
}

void StoreConformance::Reopen() {
  const std::vector<Record> before = Load();
  ASSERT_THAT(store_->Close(), IsOk());
  absl::StatusOr<std::unique_ptr<Store>> store = place_->Open();
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
  EXPECT_EQ(Load(), before);
}

std::vector<Record> StoreConformance::Load() {
  absl::StatusOr<std::vector<Record>> records = store_->Load();
  EXPECT_THAT(records, IsOk());
  return records.ok() ? *std::move(records) : std::vector<Record>();
}

TEST_P(StoreConformance, BeginsEmpty) {
  EXPECT_THAT(Load(), IsEmpty());
  Reopen();
}

TEST_P(StoreConformance, PutsOverwritesAndDeletes) {
  ASSERT_THAT(store_->Commit({Write::Put("lane", "a", "1"), Write::Put("lane", "b", "2")}), IsOk());
  EXPECT_THAT(Load(), ElementsAre(Record{"lane", "a", "1"}, Record{"lane", "b", "2"}));
  ASSERT_THAT(store_->Commit({Write::Put("lane", "a", "3")}), IsOk());
  EXPECT_THAT(Load(), ElementsAre(Record{"lane", "a", "3"}, Record{"lane", "b", "2"}));
  ASSERT_THAT(store_->Commit({Write::Delete("lane", "a")}), IsOk());
  EXPECT_THAT(Load(), ElementsAre(Record{"lane", "b", "2"}));
  Reopen();
}

TEST_P(StoreConformance, DeletesWhatIsNotThere) {
  EXPECT_THAT(store_->Commit({Write::Delete("lane", "a"), Write::Put("lane", "b", "")}), IsOk());
  EXPECT_THAT(Load(), ElementsAre(Record{"lane", "b", ""}));
}

TEST_P(StoreConformance, AppliesABatchInItsOrder) {
  ASSERT_THAT(store_->Commit({Write::Put("t", "a", "1"), Write::Put("t", "a", "2"),
                              Write::Put("t", "b", "1"), Write::Delete("t", "b"),
                              Write::Delete("t", "c"), Write::Put("t", "c", "3")}),
              IsOk());
  EXPECT_THAT(Load(), ElementsAre(Record{"t", "a", "2"}, Record{"t", "c", "3"}));
}

TEST_P(StoreConformance, AcceptsAnEmptyBatch) {
  EXPECT_THAT(store_->Commit({}), IsOk());
  EXPECT_THAT(Load(), IsEmpty());
}

TEST_P(StoreConformance, KeepsTablesApart) {
  ASSERT_THAT(store_->Commit({Write::Put("lane", "k", "1"), Write::Put("lane2", "k", "2"),
                              Write::Put("file", "k", "3")}),
              IsOk());
  ASSERT_THAT(store_->Commit({Write::Delete("lane", "k")}), IsOk());
  EXPECT_THAT(Load(), ElementsAre(Record{"file", "k", "3"}, Record{"lane2", "k", "2"}));
}

TEST_P(StoreConformance, KeepsEveryByteOfKeysAndValues) {
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) all_bytes.push_back(static_cast<char>(byte));
  const std::string nul(1, '\0');
  ASSERT_THAT(store_->Commit({Write::Put("t", all_bytes, all_bytes), Write::Put("t", nul, nul),
                              Write::Put("t", nul + nul, nul + nul), Write::Put("t", "a", ""),
                              Write::Put("t", "a" + nul, "b"), Write::Put("t", "\xff", "\xff")}),
              IsOk());
  Reopen();
  ASSERT_THAT(store_->Commit({Write::Delete("t", nul)}), IsOk());
  EXPECT_THAT(Load(), ElementsAre(Record{"t", nul + nul, nul + nul},
                                  Record{"t", all_bytes, all_bytes}, Record{"t", "a", ""},
                                  Record{"t", "a" + nul, "b"}, Record{"t", "\xff", "\xff"}));
}

TEST_P(StoreConformance, LoadsNumbersInTheirOrder) {
  const uint64_t ids[] = {0, 1, 255, 256, 65536, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX};
  std::vector<Write> writes;
  for (const uint64_t id : ids) writes.push_back(Write::Put("t", RecordKey(id), ""));
  std::reverse(writes.begin(), writes.end());
  ASSERT_THAT(store_->Commit(writes), IsOk());
  const std::vector<Record> records = Load();
  ASSERT_EQ(records.size(), std::size(ids));
  for (size_t i = 0; i < records.size(); ++i) EXPECT_EQ(ParseRecordKey(records[i].key), ids[i]);
}

TEST_P(StoreConformance, AcceptsTheLargestWriteAndNothingLarger) {
  const std::string table(kMaxTableNameBytes, 't'), key(kMaxKeyBytes, 'k');
  const std::string value(kMaxValueBytes, 'v');
  ASSERT_THAT(store_->Commit({Write::Put(table, key, value)}), IsOk());
  Reopen();
  const std::vector<Record> before = Load();

  const Write fine = Write::Put("t", "k", "v");
  const auto refused = [](const char* what) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(absl::StrCat("write 1: ", what)));
  };
  EXPECT_THAT(store_->Commit({fine, Write::Put(table + "t", "k", "v")}), refused("the table name"));
  EXPECT_THAT(store_->Commit({fine, Write::Put("", "k", "v")}), refused("the table name"));
  EXPECT_THAT(store_->Commit({fine, Write::Put("T;--", "k", "v")}), refused("the table name"));
  EXPECT_THAT(store_->Commit({fine, Write::Delete(std::string(1, '\0'), "k")}),
              refused("the table name \"\\x00\""));
  EXPECT_THAT(store_->Commit({fine, Write::Put("t", key + "k", "v")}), refused("the key has 1025"));
  EXPECT_THAT(store_->Commit({fine, Write::Delete("t", "")}), refused("the key has 0 bytes"));
  EXPECT_THAT(store_->Commit({fine, Write::Put("t", "k", value + "v")}), refused("the value has"));
  EXPECT_EQ(Load(), before);
}

TEST_P(StoreConformance, KeepsManyRecords) {
  std::vector<Write> writes;
  Model model;
  for (uint64_t i = 0; i < 20'000; ++i) {
    writes.push_back(Write::Put("t", RecordKey(i % 7, i), std::string(i % 50, 'x')));
    model[{"t", writes.back().key}] = *writes.back().value;
  }
  ASSERT_THAT(store_->Commit(writes), IsOk());
  EXPECT_EQ(Load(), RecordsOf(model));
  Reopen();
}

TEST_P(StoreConformance, AgreesWithAMapOnRandomBatches) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  Model model;
  for (int batch = 0; batch < 100; ++batch) {
    std::vector<Write> writes;
    for (uint64_t i = random() % 20; i > 0; --i) {
      const std::string table(1, static_cast<char>('a' + random() % 3));
      const std::string key = RecordKey(random() % 30);
      if (random() % 3 == 0) {
        writes.push_back(Write::Delete(table, key));
        model.erase({table, key});
      } else {
        writes.push_back(Write::Put(table, key, std::string(random() % 3000, 'v')));
        model[{table, key}] = *writes.back().value;
      }
    }
    ASSERT_THAT(store_->Commit(writes), IsOk());
    if (batch % 10 == 0) Reopen();
    ASSERT_EQ(Load(), RecordsOf(model)) << "batch " << batch;
  }
}

TEST_P(StoreConformance, IsOpenOnce) {
  ASSERT_THAT(store_->Commit({Write::Put("t", "k", "v")}), IsOk());
  EXPECT_THAT(place_->Open(), StatusIs(absl::StatusCode::kUnavailable));
  // The attempt did no harm.
  ASSERT_THAT(store_->Commit({Write::Put("t", "l", "w")}), IsOk());
  EXPECT_THAT(place_->Open(), StatusIs(absl::StatusCode::kUnavailable));
  Reopen();
}

TEST_P(StoreConformance, SaysThatItIsClosed) {
  ASSERT_THAT(store_->Close(), IsOk());
  EXPECT_THAT(store_->Close(), IsOk());
  const auto closed = StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed"));
  EXPECT_THAT(store_->Load(), closed);
  EXPECT_THAT(store_->Commit({}), closed);
  EXPECT_THAT(store_->Commit({Write::Put("t", "k", "v")}), closed);
}

TEST_P(StoreConformance, TakesCallsOfManyThreads) {
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (uint64_t i = 0; i < 25; ++i) {
        EXPECT_THAT(store_->Commit({Write::Put("t", RecordKey(thread, i), "v"),
                                    Write::Put("t", RecordKey(thread, i + 100), "v")}),
                    IsOk());
        EXPECT_EQ(Load().size() % 2, 0u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Load().size(), 200u);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

}  // namespace causeway::testing
