#include "control/store/record_key.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace causeway {
namespace {

const uint64_t kIds[] = {0, 1, 127, 128, 255, 256, uint64_t{1} << 32, UINT64_MAX};

TEST(RecordKey, ComesBackAndSortsAsItsNumbers) {
  std::vector<std::string> keys, pair_keys;
  for (const uint64_t first : kIds) {
    keys.push_back(RecordKey(first));
    EXPECT_EQ(ParseRecordKey(keys.back()), first);
    for (const uint64_t second : kIds) {
      pair_keys.push_back(RecordKey(first, second));
      EXPECT_EQ(ParseRecordPairKey(pair_keys.back()), std::pair(first, second));
    }
  }
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_TRUE(std::is_sorted(pair_keys.begin(), pair_keys.end()));
}

TEST(RecordKey, IsNotParsedFromAnotherLength) {
  for (const size_t bytes : {0, 7, 9, 15, 17}) {
    EXPECT_EQ(ParseRecordKey(std::string(bytes, 'k')), std::nullopt);
    EXPECT_EQ(ParseRecordPairKey(std::string(bytes, 'k')), std::nullopt);
  }
  EXPECT_EQ(ParseRecordKey(std::string(16, 'k')), std::nullopt);
  EXPECT_EQ(ParseRecordPairKey(std::string(8, 'k')), std::nullopt);
}

}  // namespace
}  // namespace causeway
