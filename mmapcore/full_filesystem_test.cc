// Allocation and population where the storage runs out, on real file systems.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/allocate.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/sigbus_guard.h"
#include "mmapcore/testing/small_filesystem.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::SmallFilesystem;
using ::causeway::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::StatusCode kExhausted = absl::StatusCode::kResourceExhausted;
constexpr uint64_t kMiB = 1 << 20;

class FullFilesystemTest : public ::testing::TestWithParam<SmallFilesystem::Kind> {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<SmallFilesystem>> small =
        SmallFilesystem::Mount(GetParam(), 16 * kMiB);
    if (!small.ok()) GTEST_SKIP() << small.status();
    small_ = *std::move(small);
  }

  MappedFile NewFile() {
    absl::StatusOr<MappedFile> file = MappedFile::Create(small_->File("a"), 0600);
    EXPECT_THAT(file, IsOk());
    return *std::move(file);
  }

  static uint64_t AllocatedBytes(const MappedFile& file) {
    struct stat attributes;
    if (fstat(file.fd(), &attributes) != 0) return 0;
    return static_cast<uint64_t>(attributes.st_blocks) * 512;
  }

  std::unique_ptr<SmallFilesystem> small_;
};

TEST_P(FullFilesystemTest, AllocationSaysWhatItNeededAndWhatIsFree) {
  MappedFile file = NewFile();
  ASSERT_THAT(small_->FillUntilFree(2 * kMiB), IsOk());
  const uint64_t free = small_->FreeBytes();
  EXPECT_THAT(
      AllocateExtent(file, 0, 8 * kMiB),
      StatusIs(kExhausted, AllOf(HasSubstr(small_->File("a")), HasSubstr("needed 8388608 bytes"),
                                 HasSubstr(absl::StrCat("free ", free, " bytes")))));
}

TEST_P(FullFilesystemTest, FailedAllocationLeavesSizeAndFreeSpaceAsTheyWere) {
  MappedFile file = NewFile();
  ASSERT_THAT(AllocateExtent(file, 0, kMiB), IsOk());
  ASSERT_THAT(small_->FillUntilFree(2 * kMiB), IsOk());
  const uint64_t free = small_->FreeBytes();
  EXPECT_THAT(AllocateExtent(file, kMiB, 8 * kMiB), StatusIs(kExhausted));
  EXPECT_EQ(*file.Size(), kMiB);
  EXPECT_EQ(AllocatedBytes(file), kMiB);
  EXPECT_EQ(small_->FreeBytes(), free);
  EXPECT_THAT(AllocateExtent(file, kMiB, kMiB), IsOk()) << "what fits is still to be had";
}

TEST_P(FullFilesystemTest, NothingIsToBeHadFromAFullOne) {
  MappedFile file = NewFile();
  ASSERT_THAT(small_->FillUntilFree(0), IsOk());
  EXPECT_THAT(AllocateExtent(file, 0, PageSize()), StatusIs(kExhausted, HasSubstr("free 0 bytes")));
  EXPECT_EQ(*file.Size(), 0u);
}

TEST_P(FullFilesystemTest, AllocatedExtentTakesEveryByteAfterTheFileSystemHasFilledUp) {
  MappedFile file = NewFile();
  ASSERT_THAT(AllocateExtent(file, 0, 4 * kMiB), IsOk());
  ASSERT_THAT(small_->FillUntilFree(0), IsOk());
  ASSERT_THAT(PopulateExtent(file, 0, 4 * kMiB), IsOk());
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(
      file, {.protection = Protection::kReadWrite, .populate = Populate::kForWriting});
  ASSERT_THAT(mapping, IsOk());
  for (uint64_t i = 0; i < mapping->length(); ++i) mapping->mutable_data()[i] = std::byte{0x5a};
  EXPECT_THAT(mapping->Flush(0, mapping->length(), FlushMode::kSync), IsOk());
}

TEST_P(FullFilesystemTest, PopulatingAHoleIsAnErrorAndNoSignal) {
  MappedFile file = NewFile();
  ASSERT_THAT(file.Resize(8 * kMiB), IsOk());
  ASSERT_THAT(small_->FillUntilFree(kMiB), IsOk());
  EXPECT_THAT(PopulateExtent(file, 0, 8 * kMiB),
              StatusIs(kExhausted, AllOf(HasSubstr(small_->File("a")), HasSubstr("holes"),
                                         HasSubstr("needed at most 8388608 bytes"))));
}

TEST_P(FullFilesystemTest, StoreToAHoleIsDamageWhereTheMappingIsGuarded) {
  MappedFile file = NewFile();
  ASSERT_THAT(file.Resize(8 * kMiB), IsOk());
  ASSERT_THAT(small_->FillUntilFree(kMiB), IsOk());
  ASSERT_THAT(SigbusGuard::Install(), IsOk());
  absl::StatusOr<Mapping> mapping =
      Mapping::MapWhole(file, {.protection = Protection::kReadWrite, .guarded = true});
  ASSERT_THAT(mapping, IsOk());
  for (uint64_t i = 0; i < mapping->length(); i += PageSize()) {
    *const_cast<volatile std::byte*>(mapping->mutable_data() + i) = std::byte{1};
  }
  EXPECT_THAT(mapping->damage(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("full")));
}

INSTANTIATE_TEST_SUITE_P(EachFilesystem, FullFilesystemTest,
                         ::testing::Values(SmallFilesystem::Kind::kTmpfs,
                                           SmallFilesystem::Kind::kExt4),
                         [](const auto& info) { return testing::Name(info.param); });

}  // namespace
}  // namespace causeway
