#include "control/files/file_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "mmapcore/page.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/small_filesystem.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::ScratchDirectory;
using testing::SmallFilesystem;
using testing::StatusIs;

class FileStoreTest : public ::testing::Test {
 protected:
  FileStoreTest() {
    mkdir(disk_.c_str(), 0700);
    mkdir(memory_.c_str(), 0700);
  }

  FileRange NewFile(uint64_t id, uint64_t pages) const {
    return {.file_id = id,
            .name = absl::StrCat("lane-", id),
            .durability = v1::DURABILITY_MEMORY,
            .create = true,
            .offset = 0,
            .length = pages * PageSize()};
  }
  FileRange Pages(uint64_t id, uint64_t first, uint64_t count) const {
    FileRange range = NewFile(id, count);
    range.create = false;
    range.offset = first * PageSize();
    return range;
  }
  struct stat Stat(const std::string& path) const {
    struct stat attributes = {};
    EXPECT_EQ(stat(path.c_str(), &attributes), 0) << path;
    return attributes;
  }
  static bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

  ScratchDirectory scratch_;
  const std::string disk_ = scratch_.File("disk");
  const std::string memory_ = scratch_.File("memory");
  FileStore files_{disk_, memory_};
};

TEST_F(FileStoreTest, MakesAFileOfItsUsersOwnWithStorageBehindEveryByte) {
  ASSERT_THAT(files_.Back(NewFile(1, 3)), IsOk());
  const struct stat attributes = Stat(memory_ + "/lane-1");
  EXPECT_EQ(attributes.st_mode & 0777, 0600u);
  EXPECT_EQ(attributes.st_size, static_cast<off_t>(3 * PageSize()));
  EXPECT_GE(static_cast<uint64_t>(attributes.st_blocks) * 512, 3 * PageSize());
}

TEST_F(FileStoreTest, PutsDurableFilesOnTheDisk) {
  FileRange range = NewFile(1, 0);
  range.durability = v1::DURABILITY_CACHED;
  ASSERT_THAT(files_.Back(range), IsOk());
  EXPECT_TRUE(Exists(disk_ + "/lane-1"));
  EXPECT_EQ(files_.Label(1), disk_ + "/lane-1");
}

TEST_F(FileStoreTest, NeverTakesAFileThatExists) {
  ASSERT_THAT(files_.Back(NewFile(1, 1)), IsOk());
  EXPECT_THAT(files_.Back(NewFile(1, 1)), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(files_.Back(Pages(2, 0, 1)), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FileStoreTest, OpensWithExactlyTheRightsThatAreGranted) {
  ASSERT_THAT(files_.Back(NewFile(1, 1)), IsOk());
  const absl::StatusOr<UniqueFd> reading = files_.Open(1, v1::PROTECTION_READ);
  const absl::StatusOr<UniqueFd> writing = files_.Open(1, v1::PROTECTION_READ_WRITE);
  ASSERT_THAT(reading, IsOk());
  ASSERT_THAT(writing, IsOk());
  EXPECT_EQ(fcntl(reading->get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(fcntl(writing->get(), F_GETFL) & O_ACCMODE, O_RDWR);
  EXPECT_EQ(fcntl(reading->get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(mmap(nullptr, PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED, reading->get(), 0),
            MAP_FAILED);
  EXPECT_THAT(files_.Open(1, v1::PROTECTION_UNSPECIFIED),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(files_.Open(2, v1::PROTECTION_READ), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FileStoreTest, LeavesZerosInARangeThatWasInUse) {
  ASSERT_THAT(files_.Back(NewFile(1, 2)), IsOk());
  const absl::StatusOr<UniqueFd> file = files_.Open(1, v1::PROTECTION_READ_WRITE);
  ASSERT_EQ(pwrite(file->get(), "old", 3, static_cast<off_t>(PageSize())), 3);
  ASSERT_THAT(files_.Back(Pages(1, 1, 1)), IsOk());
  char bytes[3];
  ASSERT_EQ(pread(file->get(), bytes, 3, static_cast<off_t>(PageSize())), 3);
  EXPECT_EQ(std::string(bytes, 3), std::string(3, '\0'));
}

TEST_F(FileStoreTest, GivesSpaceBackWithoutShorteningTheFile) {
  ASSERT_THAT(files_.Back(NewFile(1, 8)), IsOk());
  ASSERT_THAT(files_.Free(Pages(1, 1, 7)), IsOk());
  const struct stat attributes = Stat(memory_ + "/lane-1");
  EXPECT_EQ(attributes.st_size, static_cast<off_t>(8 * PageSize()));
  EXPECT_LT(static_cast<uint64_t>(attributes.st_blocks) * 512, 8 * PageSize());
  EXPECT_THAT(files_.Free(Pages(2, 0, 1)), IsOk());  // Gone: nothing to give back.
}

TEST_F(FileStoreTest, BacksRangesOfOneFileFromManyThreads) {
  ASSERT_THAT(files_.Back(NewFile(1, 1)), IsOk());
  std::vector<std::thread> threads;
  for (uint64_t first = 1; first <= 8; ++first) {
    threads.emplace_back([this, first] {
      for (int i = 0; i < 20; ++i) EXPECT_THAT(files_.Back(Pages(1, first * 4, 4)), IsOk());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Stat(memory_ + "/lane-1").st_size, static_cast<off_t>(36 * PageSize()));
}

TEST_F(FileStoreTest, TruncatesWhatSomebodyMayStillHaveMapped) {
  ASSERT_THAT(files_.Back(NewFile(1, 4)), IsOk());
  ASSERT_THAT(files_.Back(NewFile(2, 4)), IsOk());
  const absl::StatusOr<UniqueFd> first = files_.Open(1, v1::PROTECTION_READ);
  const absl::StatusOr<UniqueFd> second = files_.Open(2, v1::PROTECTION_READ);
  EXPECT_THAT(files_.Remove("lane-1", v1::DURABILITY_MEMORY, /*truncate=*/true), IsOk());
  EXPECT_THAT(files_.Remove("lane-2", v1::DURABILITY_MEMORY, /*truncate=*/false), IsOk());
  struct stat attributes;
  ASSERT_EQ(fstat(first->get(), &attributes), 0);
  EXPECT_EQ(attributes.st_size, 0);
  EXPECT_EQ(attributes.st_nlink, 0u);
  ASSERT_EQ(fstat(second->get(), &attributes), 0);
  EXPECT_EQ(attributes.st_size, static_cast<off_t>(4 * PageSize()));
  EXPECT_EQ(attributes.st_nlink, 0u);
  EXPECT_THAT(files_.Remove("lane-1", v1::DURABILITY_MEMORY, true), IsOk());
}

TEST_F(FileStoreTest, ReadsAWordForOperators) {
  ASSERT_THAT(files_.Back(NewFile(1, 1)), IsOk());
  const absl::StatusOr<UniqueFd> file = files_.Open(1, v1::PROTECTION_READ_WRITE);
  const unsigned char bytes[8] = {0x2a};
  ASSERT_EQ(pwrite(file->get(), bytes, 8, 16), 8);
  EXPECT_EQ(files_.ReadWord(1, 16), 42u);
  EXPECT_EQ(files_.ReadWord(1, PageSize()), std::nullopt);
  EXPECT_EQ(files_.ReadWord(2, 0), std::nullopt);
}

TEST_F(FileStoreTest, ForgottenFileIsNotOpened) {
  ASSERT_THAT(files_.Back(NewFile(1, 1)), IsOk());
  files_.Forget(1);
  EXPECT_THAT(files_.Open(1, v1::PROTECTION_READ), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(files_.Label(1), "");
}

TEST_F(FileStoreTest, HandsOnABroughtFileWithTheRightsItCameWith) {
  std::ofstream(scratch_.File("input")) << "bytes";
  files_.Bring(1, *MappedFile::Open(scratch_.File("input"), Protection::kRead));
  files_.Bring(2, *MappedFile::Open(scratch_.File("input"), Protection::kReadWrite));
  EXPECT_EQ(fcntl(files_.Open(1, v1::PROTECTION_READ)->get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_THAT(files_.Open(1, v1::PROTECTION_READ_WRITE),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("input")));
  EXPECT_EQ(fcntl(files_.Open(2, v1::PROTECTION_READ)->get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(fcntl(files_.Open(2, v1::PROTECTION_READ_WRITE)->get(), F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST_F(FileStoreTest, OpensABroughtFileThatWasUnlinked) {
  std::ofstream(scratch_.File("input")) << "bytes";
  files_.Bring(1, *MappedFile::Open(scratch_.File("input"), Protection::kReadWrite));
  unlink(scratch_.File("input").c_str());
  EXPECT_THAT(files_.Open(1, v1::PROTECTION_READ), IsOk());
}

TEST_F(FileStoreTest, CollectsItsOwnFilesThatNobodyRegistered) {
  for (const char* path : {"/lane-1", "/lane-2", "/cursor-3", "/lane-x", "/notes", "/lane-"}) {
    std::ofstream(memory_ + path) << "x";
    std::ofstream(disk_ + path) << "x";
  }
  files_.Register(1, "lane-1", v1::DURABILITY_MEMORY);
  const absl::StatusOr<size_t> removed = files_.RemoveUnregistered();
  ASSERT_THAT(removed, IsOk());
  EXPECT_EQ(*removed, 5u);
  EXPECT_TRUE(Exists(memory_ + "/lane-1"));
  EXPECT_FALSE(Exists(disk_ + "/lane-1"));
  for (const char* path : {"/lane-x", "/notes", "/lane-"}) {
    EXPECT_TRUE(Exists(memory_ + path)) << path;
    EXPECT_TRUE(Exists(disk_ + path)) << path;
  }
  EXPECT_THAT(files_.RemoveAll(v1::DURABILITY_MEMORY), IsOk());
  EXPECT_FALSE(Exists(memory_ + "/lane-1"));
  EXPECT_TRUE(Exists(memory_ + "/notes"));
}

TEST(FullFileStore, SaysWhatIsNeededAndFreeAndRecovers) {
  absl::StatusOr<std::unique_ptr<SmallFilesystem>> small =
      SmallFilesystem::Mount(SmallFilesystem::Kind::kTmpfs, 1 << 20);
  if (!small.ok()) GTEST_SKIP() << small.status();
  FileStore files((*small)->path(), (*small)->path());
  FileRange range = {.file_id = 1,
                     .name = "lane-1",
                     .durability = v1::DURABILITY_MEMORY,
                     .create = true,
                     .offset = 0,
                     .length = 16 * PageSize()};
  ASSERT_THAT(files.Back(range), IsOk());
  const uint64_t free_before = (*small)->FreeBytes();

  FileRange more = range;
  more.create = false;
  more.offset = range.length;
  more.length = 2 << 20;
  EXPECT_THAT(files.Back(more),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr((*small)->File("lane-1")), HasSubstr("needed 2097152 bytes"),
                             HasSubstr(absl::StrCat("free ", free_before, " bytes")))));
  EXPECT_EQ((*small)->FreeBytes(), free_before);
  more.length = 16 * PageSize();
  EXPECT_THAT(files.Back(more), IsOk());
}

}  // namespace
}  // namespace causeway
