#include "mmapcore/file_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>

#include "mmapcore/page.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

absl::Status Check(uint64_t offset, uint64_t length) {
  return CheckRange("mmap", "/data/a", offset, length);
}

TEST(FileRange, MayEndJustBelowTwoToThe63) {
  const uint64_t limit = uint64_t{1} << 63;
  EXPECT_THAT(Check(0, 1), IsOk());
  EXPECT_THAT(Check(limit - 2 * PageSize(), PageSize()), IsOk());
  EXPECT_THAT(Check(limit - 2 * PageSize(), 1), IsOk());
  EXPECT_THAT(Check(limit - PageSize(), 1), StatusIs(kInvalid, HasSubstr("2^63")));
  EXPECT_THAT(Check(PageSize(), limit - 2 * PageSize()), IsOk());
  EXPECT_THAT(Check(PageSize(), limit - 2 * PageSize() + 1), StatusIs(kInvalid));
}

TEST(FileRange, NeedsBytes) {
  EXPECT_THAT(Check(4096, 0),
              StatusIs(kInvalid, AllOf(HasSubstr("offset 4096, length 0"), HasSubstr("positive"))));
}

TEST(FileRange, BeginsOnAPage) {
  EXPECT_THAT(Check(1, 1), StatusIs(kInvalid, HasSubstr("multiple of the page size")));
  EXPECT_THAT(Check(PageSize() - 1, 1), StatusIs(kInvalid));
}

TEST(FileRange, NegativeOffsetsAreRefusedAndShownAsSuch) {
  EXPECT_THAT(Check(static_cast<uint64_t>(int64_t{-4096}), 4096),
              StatusIs(kInvalid, HasSubstr("offset 18446744073709547520 = -4096, length 4096")));
  EXPECT_THAT(Check(uint64_t{1} << 63, 4096), StatusIs(kInvalid));
}

TEST(FileRange, NegativeAndWrappingLengthsAreRefused) {
  EXPECT_THAT(Check(0, UINT64_MAX),
              StatusIs(kInvalid, HasSubstr("length 18446744073709551615 = -1")));
  EXPECT_THAT(Check(4096, UINT64_MAX - 4095), StatusIs(kInvalid));
  EXPECT_THAT(Check(UINT64_MAX - 4095, UINT64_MAX), StatusIs(kInvalid));
}

TEST(FileRange, AnExtentHasWholePages) {
  EXPECT_THAT(CheckExtent("fallocate", "/data/a", 0, PageSize()), IsOk());
  EXPECT_THAT(CheckExtent("fallocate", "/data/a", 0, PageSize() + 1),
              StatusIs(kInvalid, HasSubstr("the length must be a multiple")));
  EXPECT_THAT(CheckExtent("fallocate", "/data/a", 0, 0), StatusIs(kInvalid));
}

TEST(FileRange, SizesAboveTheProcessLimitAreRefusedBeforeTheKernelSendsASignal) {
  rlimit former;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &former), 0);
  rlimit limit = former;
  limit.rlim_cur = 1 << 20;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_THAT(CheckFileSizeLimit("ftruncate", "/data/a", 1 << 20), IsOk());
  EXPECT_THAT(CheckFileSizeLimit("ftruncate", "/data/a", (1 << 20) + 1),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("/data/a"), HasSubstr("1048577"),
                             HasSubstr("RLIMIT_FSIZE = 1048576"))));
  setrlimit(RLIMIT_FSIZE, &former);
}

}  // namespace
}  // namespace causeway
