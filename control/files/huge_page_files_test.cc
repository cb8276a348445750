// Files on file systems that offer huge pages, as the coordinator makes them and agents map them.

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "control/files/file_store.h"
#include "control/files/huge_page_choice.h"
#include "gtest/gtest.h"
#include "mmapcore/huge_pages.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/testing/small_filesystem.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::SmallFilesystem;
using testing::StatusIs;

// How many bytes of the mapping at `address` are mapped by huge pages.
uint64_t HugelyMapped(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  const std::string begins = absl::StrCat(absl::Hex(reinterpret_cast<uintptr_t>(address)), "-");
  std::string line;
  bool found = false;
  while (std::getline(smaps, line)) {
    if (line.starts_with(begins)) found = true;
    if (found && line.starts_with("ShmemPmdMapped:")) {
      return std::stoull(line.substr(sizeof("ShmemPmdMapped:"))) * 1024;
    }
  }
  return 0;
}

class HugePageFilesTest : public ::testing::TestWithParam<SmallFilesystem::Kind> {
 protected:
  void SetUp() override {
    if (HugePageBytes() == 0) GTEST_SKIP() << "this kernel has no huge pages";
    absl::StatusOr<std::unique_ptr<SmallFilesystem>> small =
        SmallFilesystem::Mount(GetParam(), 16 * HugePageBytes());
    if (!small.ok()) GTEST_SKIP() << small.status();
    small_ = *std::move(small);
    const absl::StatusOr<HugePageOffer> offer = HugePagesIn(small_->path());
    ASSERT_THAT(offer, IsOk());
    // The mount has the option, so it is the kernel's own setting.
    if (*offer == HugePageOffer::kNone) GTEST_SKIP() << "shmem_enabled denies huge pages";
  }

  std::unique_ptr<FileStore> Files(HugePages wanted) const {
    auto files = std::make_unique<FileStore>(small_->path(), small_->path());
    files->UseHugePages(*ChooseHugePages(wanted, small_->path()));
    return files;
  }

  // A file with a page at its beginning and a segment of two huge pages behind it.
  void BackLane(FileStore& files) const {
    FileRange range = {.file_id = 1,
                       .name = "lane-1",
                       .durability = v1::DURABILITY_MEMORY,
                       .create = true,
                       .length = PageSize()};
    ASSERT_THAT(files.Back(range), IsOk());
    range.create = false;
    range.offset = HugePageBytes();
    range.length = 2 * HugePageBytes();
    ASSERT_THAT(files.Back(range), IsOk());
  }

  // The segment, as its writer maps it.
  Mapping Map(const FileStore& files) const {
    absl::StatusOr<MappedFile> file =
        MappedFile::FromFd(*files.Open(1, v1::PROTECTION_READ_WRITE), "lane-1");
    absl::StatusOr<Mapping> segment =
        Mapping::Map(*file, HugePageBytes(), 2 * HugePageBytes(),
                     {.protection = Protection::kReadWrite, .populate = Populate::kForWriting});
    EXPECT_THAT(segment, IsOk());
    return *std::move(segment);
  }

  std::unique_ptr<SmallFilesystem> small_;
};

TEST_P(HugePageFilesTest, SegmentsAreMadeAndMappedOfHugePages) {
  const std::unique_ptr<FileStore> files = Files(HugePages::kAuto);
  BackLane(*files);
  const Mapping segment = Map(*files);
  EXPECT_EQ(HugelyMapped(segment.data()), 2 * HugePageBytes());
}

TEST_P(HugePageFilesTest, SmallExtentsTakeNoMoreThanTheyAreLong) {
  const std::unique_ptr<FileStore> files = Files(HugePages::kOn);
  const uint64_t free_before = small_->FreeBytes();
  BackLane(*files);
  EXPECT_EQ(free_before - small_->FreeBytes(), PageSize() + 2 * HugePageBytes());
}

TEST_P(HugePageFilesTest, AreOfSmallPagesWhereHugeOnesAreSwitchedOff) {
  const std::unique_ptr<FileStore> files = Files(HugePages::kOff);
  BackLane(*files);
  const Mapping segment = Map(*files);
  EXPECT_EQ(HugelyMapped(segment.data()), 0u);
}

TEST_P(HugePageFilesTest, ASegmentThatWasGivenBackTakesNoSpace) {
  const std::unique_ptr<FileStore> files = Files(HugePages::kAuto);
  const uint64_t free_before = small_->FreeBytes();
  BackLane(*files);
  ASSERT_THAT(files->Free({.file_id = 1,
                           .name = "lane-1",
                           .durability = v1::DURABILITY_MEMORY,
                           .offset = HugePageBytes(),
                           .length = 2 * HugePageBytes()}),
              IsOk());
  EXPECT_EQ(free_before - small_->FreeBytes(), PageSize());
}

TEST_P(HugePageFilesTest, AFullFileSystemIsAnErrorThatChangesNothing) {
  const std::unique_ptr<FileStore> files = Files(HugePages::kAuto);
  BackLane(*files);
  const uint64_t free_before = small_->FreeBytes();
  FileRange more = {.file_id = 1,
                    .name = "lane-1",
                    .durability = v1::DURABILITY_MEMORY,
                    .offset = 4 * HugePageBytes(),
                    .length = 32 * HugePageBytes()};
  EXPECT_THAT(files->Back(more), StatusIs(absl::StatusCode::kResourceExhausted,
                                          HasSubstr(absl::StrCat("free ", free_before, " bytes"))));
  EXPECT_EQ(small_->FreeBytes(), free_before);
  more.length = 2 * HugePageBytes();
  EXPECT_THAT(files->Back(more), IsOk());
}

INSTANTIATE_TEST_SUITE_P(, HugePageFilesTest,
                         ::testing::Values(SmallFilesystem::Kind::kHugeTmpfs,
                                           SmallFilesystem::Kind::kHugeOnAdviceTmpfs),
                         [](const auto& info) { return Name(info.param); });

TEST(HugePageChoice, ThatCannotBeHadIsRefusedWithWhatToDo) {
  absl::StatusOr<std::unique_ptr<SmallFilesystem>> small =
      SmallFilesystem::Mount(SmallFilesystem::Kind::kTmpfs, 1 << 20);
  if (!small.ok()) GTEST_SKIP() << small.status();
  if (*HugePagesIn((*small)->path()) != HugePageOffer::kNone) {
    GTEST_SKIP() << "shmem_enabled forces huge pages";
  }
  EXPECT_THAT(ChooseHugePages(HugePages::kOn, (*small)->path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("huge=advise")));
  const absl::StatusOr<HugePageChoice> choice = ChooseHugePages(HugePages::kAuto, (*small)->path());
  ASSERT_THAT(choice, IsOk());
  EXPECT_EQ(choice->bytes, 0u);
  EXPECT_EQ(choice->description, "none offered");
}

}  // namespace
}  // namespace causeway
