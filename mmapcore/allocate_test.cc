#include "mmapcore/allocate.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/testing/failing_system_call.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/subprocess.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using ::causeway::testing::ArgumentAtLeast;
using ::causeway::testing::FailSystemCall;
using ::causeway::testing::IsOk;
using ::causeway::testing::RunInChild;
using ::causeway::testing::ScratchDirectory;
using ::causeway::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

uint64_t AllocatedBytes(const MappedFile& file) {
  struct stat attributes;
  if (fstat(file.fd(), &attributes) != 0) return 0;
  return static_cast<uint64_t>(attributes.st_blocks) * 512;
}

class AllocateTest : public ::testing::Test {
 protected:
  MappedFile NewFile() {
    absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
    EXPECT_THAT(file, IsOk());
    return *std::move(file);
  }

  ScratchDirectory scratch_;
};

TEST_F(AllocateTest, GrowsTheFileToTheExtentsEnd) {
  MappedFile file = NewFile();
  ASSERT_THAT(AllocateExtent(file, 4 * PageSize(), 8 * PageSize()), IsOk());
  EXPECT_EQ(*file.Size(), 12 * PageSize());
  EXPECT_GE(AllocatedBytes(file), 8 * PageSize());
  EXPECT_LT(AllocatedBytes(file), 12 * PageSize()) << "what lies before stays a hole";
}

TEST_F(AllocateTest, KeepsBytesThatExistAndGivesZerosElsewhere) {
  MappedFile file = NewFile();
  ASSERT_EQ(pwrite(file.fd(), "abc", 3, 10), 3);
  ASSERT_THAT(AllocateExtent(file, 0, 2 * PageSize()), IsOk());
  std::string bytes(2 * PageSize(), 'x');
  ASSERT_EQ(pread(file.fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  std::string expected(2 * PageSize(), '\0');
  expected.replace(10, 3, "abc");
  EXPECT_EQ(bytes, expected);
}

TEST_F(AllocateTest, InsideOfALongFileLeavesTheSizeAlone) {
  MappedFile file = NewFile();
  ASSERT_THAT(file.Resize(100 * PageSize()), IsOk());
  ASSERT_THAT(AllocateExtent(file, PageSize(), PageSize()), IsOk());
  ASSERT_THAT(AllocateExtent(file, PageSize(), PageSize()), IsOk()) << "again";
  EXPECT_EQ(*file.Size(), 100 * PageSize());
}

TEST_F(AllocateTest, RefusesWhatIsNotAnExtent) {
  MappedFile file = NewFile();
  constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
  for (const auto& [offset, length] : std::initializer_list<std::pair<uint64_t, uint64_t>>{
           {0, 0}, {1, 4096}, {0, 4097}, {UINT64_MAX - 4095, 4096}, {4096, UINT64_MAX - 4095}}) {
    EXPECT_THAT(AllocateExtent(file, offset, length), StatusIs(kInvalid, HasSubstr(file.label())));
    EXPECT_THAT(PopulateExtent(file, offset, length), StatusIs(kInvalid, HasSubstr(file.label())));
  }
  EXPECT_EQ(*file.Size(), 0u);
}

TEST_F(AllocateTest, NeedsTheRightToWrite) {
  MappedFile file = NewFile();
  ASSERT_THAT(AllocateExtent(file, 0, PageSize()), IsOk());
  absl::StatusOr<MappedFile> reading = file.OpenReadOnly();
  EXPECT_THAT(AllocateExtent(*reading, 0, PageSize()),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("read-only")));
  EXPECT_THAT(PopulateExtent(*reading, 0, PageSize()),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("read-only")));
}

TEST_F(AllocateTest, SaysWhenTheFileIsSealed) {
  UniqueFd fd(memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_GROW), 0);
  absl::StatusOr<MappedFile> file = MappedFile::FromFd(std::move(fd), "grant 7");
  EXPECT_THAT(AllocateExtent(*file, 0, PageSize()),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("grant 7")));
}

TEST_F(AllocateTest, MoreThanAFileCanHoldIsOutOfRange) {
  MappedFile file = NewFile();
  const uint64_t limit = uint64_t{1} << 62;
  EXPECT_THAT(AllocateExtent(file, limit, PageSize()), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(*file.Size(), 0u);
}

TEST_F(AllocateTest, AboveTheProcessLimitIsAnErrorAndNoSignal) {
  MappedFile file = NewFile();
  EXPECT_EQ(RunInChild([&] {
              const rlimit limit = {.rlim_cur = PageSize(), .rlim_max = PageSize()};
              if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              if (!AllocateExtent(file, 0, PageSize()).ok()) return 2;
              return absl::IsResourceExhausted(AllocateExtent(file, PageSize(), PageSize())) ? 0
                                                                                             : 3;
            }),
            "exit 0");
  EXPECT_EQ(*file.Size(), PageSize());
}

TEST_F(AllocateTest, PopulatingNeedsTheExtentToExist) {
  MappedFile file = NewFile();
  ASSERT_THAT(AllocateExtent(file, 0, PageSize()), IsOk());
  EXPECT_THAT(PopulateExtent(file, 0, 2 * PageSize()),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(file.label())));
}

TEST_F(AllocateTest, PopulatedPagesAreInMemoryForTheNextProcessThatMapsThem) {
  MappedFile file = NewFile();
  ASSERT_THAT(AllocateExtent(file, 0, 16 * PageSize()), IsOk());
  ASSERT_THAT(PopulateExtent(file, 0, 16 * PageSize()), IsOk());
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file);
  unsigned char resident[16] = {};
  ASSERT_EQ(mincore(const_cast<std::byte*>(mapping->data()), 16 * PageSize(), resident), 0);
  for (const unsigned char page : resident) EXPECT_NE(page & 1, 0);
}

TEST_F(AllocateTest, EndsEvenIfSignalsInterruptEveryLongCall) {
  MappedFile file = NewFile();
  EXPECT_EQ(
      RunInChild([&] {
        // What a timer does to fallocate() on tmpfs on many kernels: a long call ends with
        // EINTR and undoes what it had done, a short one gets through.
        if (!FailSystemCall(SYS_fallocate, EINTR, ArgumentAtLeast{.index = 3, .value = 65536}))
          return 1;
        return AllocateExtent(file, PageSize(), 1 << 20).ok() ? 0 : 2;
      }),
      "exit 0");
  EXPECT_EQ(*file.Size(), PageSize() + (1 << 20));
  EXPECT_GE(AllocatedBytes(file), 1u << 20);
}

TEST_F(AllocateTest, GivesUpIfNotEvenOnePageGetsThrough) {
  MappedFile file = NewFile();
  EXPECT_EQ(RunInChild([&] {
              if (!FailSystemCall(SYS_fallocate, EINTR)) return 1;
              return absl::IsUnavailable(AllocateExtent(file, 0, 1 << 20)) ? 0 : 2;
            }),
            "exit 0");
  EXPECT_EQ(*file.Size(), 0u);
}

TEST_F(AllocateTest, SaysWhenTheFileSystemCannotReserve) {
  MappedFile file = NewFile();
  EXPECT_EQ(RunInChild([&] {
              if (!FailSystemCall(SYS_fallocate, EOPNOTSUPP)) return 1;
              return absl::IsUnimplemented(AllocateExtent(file, 0, PageSize())) ? 0 : 2;
            }),
            "exit 0");
}

}  // namespace
}  // namespace causeway
