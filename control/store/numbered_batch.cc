#include "control/store/numbered_batch.h"

#include <string>

#include "absl/status/statusor.h"
#include "control/store/record_key.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway::testing {
namespace {

constexpr uint64_t kRecords = 10;
constexpr size_t kNumberBytes = 8;

}  // namespace

std::vector<Write> NumberedBatch(uint64_t number) {
  std::vector<Write> writes;
  for (uint64_t i = 0; i < kRecords; ++i) {
    writes.push_back(Write::Put("t", RecordKey(i), RecordKey(number) + std::string(20'000, 'v')));
  }
  return writes;
}

uint64_t NumberOfBatchIn(Store& store) {
  const absl::StatusOr<std::vector<Record>> records = store.Load();
  EXPECT_THAT(records, IsOk());
  if (!records.ok() || records->empty()) return 0;
  const uint64_t number =
      ParseRecordKey(records->front().value.substr(0, kNumberBytes)).value_or(0);
  std::vector<Record> want;
  for (const Write& write : NumberedBatch(number)) {
    want.push_back({write.table, write.key, *write.value});
  }
  const bool whole = *records == want;
  EXPECT_TRUE(whole) << "not the records of batch " << number;
  return number;
}

}  // namespace causeway::testing
