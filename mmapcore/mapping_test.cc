#include "mmapcore/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "mmapcore/mapped_file.h"
#include "mmapcore/page.h"
#include "mmapcore/protection.h"
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

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kOutOfRange = absl::StatusCode::kOutOfRange;
constexpr MappingOptions kWritable = {.protection = Protection::kReadWrite};
// madvise(MADV_POPULATE_READ) and (MADV_POPULATE_WRITE).
constexpr ArgumentAtLeast kPopulate = {.index = 2, .value = 22};

// What the kernel says about one address: its line in /proc/self/maps.
struct KernelRange {
  uintptr_t begin = 0;  // zero: nothing is mapped there
  uintptr_t end = 0;
  std::string rights;
  uint64_t offset = 0;
};

KernelRange RangeAt(const void* address) {
  const uintptr_t wanted = reinterpret_cast<uintptr_t>(address);
  KernelRange found;
  FILE* maps = fopen("/proc/self/maps", "re");
  char line[4096];
  while (fgets(line, sizeof(line), maps) != nullptr) {
    KernelRange range;
    char rights[5] = {};
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64, &range.begin, &range.end, rights,
               &range.offset) != 4) {
      continue;
    }
    if (wanted < range.begin || wanted >= range.end) continue;
    range.rights = rights;
    found = range;
  }
  fclose(maps);
  return found;
}

bool IsMapped(const void* address) { return RangeAt(address).begin != 0; }

class MappingTest : public ::testing::Test {
 protected:
  // A new file of `size` bytes, byte i of which is i / 4096 + 1 (mod 256).
  MappedFile NewFile(uint64_t size) {
    absl::StatusOr<MappedFile> file =
        MappedFile::Create(scratch_.File("file" + std::to_string(files_++)), 0600);
    EXPECT_THAT(file, IsOk());
    std::string bytes(size, '\0');
    for (uint64_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i / 4096 + 1);
    EXPECT_EQ(pwrite(file->fd(), bytes.data(), size, 0), static_cast<ssize_t>(size));
    return *std::move(file);
  }

  ScratchDirectory scratch_;
  int files_ = 0;
};

TEST_F(MappingTest, ShowsTheFilesBytes) {
  const MappedFile file = NewFile(3 * PageSize());
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file);
  ASSERT_THAT(mapping, IsOk());
  EXPECT_EQ(mapping->length(), 3 * PageSize());
  EXPECT_EQ(mapping->offset(), 0u);
  EXPECT_EQ(mapping->data()[0], std::byte{1});
  EXPECT_EQ(mapping->data()[2 * 4096], std::byte{3});
}

TEST_F(MappingTest, OfAPartBeginsAtItsOffset) {
  const MappedFile file = NewFile(4 * 4096);
  absl::StatusOr<Mapping> mapping = Mapping::Map(file, PageSize(), PageSize());
  ASSERT_THAT(mapping, IsOk());
  EXPECT_EQ(mapping->offset(), PageSize());
  EXPECT_EQ(mapping->data()[0], static_cast<std::byte>(PageSize() / 4096 + 1));
  EXPECT_EQ(RangeAt(mapping->data()).offset, PageSize());
}

TEST_F(MappingTest, CallerSeesTheLengthThatItAskedForWhileTheKernelMapsWholePages) {
  const MappedFile file = NewFile(PageSize() + 100);
  absl::StatusOr<Mapping> mapping = Mapping::Map(file, 0, PageSize() + 100);
  ASSERT_THAT(mapping, IsOk());
  EXPECT_EQ(mapping->length(), PageSize() + 100);
  EXPECT_EQ(RangeAt(mapping->data()).end - RangeAt(mapping->data()).begin, 2 * PageSize());
  EXPECT_EQ(mapping->data()[PageSize() + 100], std::byte{0}) << "behind the file's end";
}

TEST_F(MappingTest, RefusesALengthOfZero) {
  const MappedFile file = NewFile(4096);
  EXPECT_THAT(Mapping::Map(file, 0, 0), StatusIs(kInvalid, HasSubstr("length 0")));
  EXPECT_THAT(Mapping::MapWhole(NewFile(0)), StatusIs(kInvalid));
}

TEST_F(MappingTest, RefusesAnOffsetInsideOfAPage) {
  const MappedFile file = NewFile(4 * 4096);
  EXPECT_THAT(Mapping::Map(file, 512, 4096),
              StatusIs(kInvalid, AllOf(HasSubstr(file.label()), HasSubstr("offset 512"))));
}

TEST_F(MappingTest, RefusesNegativeAndWrappingRanges) {
  const MappedFile file = NewFile(4096);
  const uint64_t minus_one_page = UINT64_MAX - 4095;
  EXPECT_THAT(Mapping::Map(file, minus_one_page, 4096),
              StatusIs(kInvalid, HasSubstr("18446744073709547520 = -4096")));
  EXPECT_THAT(Mapping::Map(file, minus_one_page, 8192), StatusIs(kInvalid));
  EXPECT_THAT(Mapping::Map(file, 0, minus_one_page), StatusIs(kInvalid));
  EXPECT_THAT(Mapping::Map(file, 0, UINT64_MAX), StatusIs(kInvalid));
}

TEST_F(MappingTest, RefusesWhatIsPastTheFilesEnd) {
  const MappedFile file = NewFile(8192);
  EXPECT_THAT(Mapping::Map(file, 0, 8192), IsOk());
  EXPECT_THAT(Mapping::Map(file, 0, 8193),
              StatusIs(kOutOfRange, AllOf(HasSubstr(file.label()), HasSubstr("length 8193"),
                                          HasSubstr("8192 bytes"))));
  EXPECT_THAT(Mapping::Map(file, 1 << 20, 1), StatusIs(kOutOfRange));
  EXPECT_THAT(Mapping::Map(file, INT64_MAX - 4095, 1), StatusIs(kInvalid));
}

TEST_F(MappingTest, RefusesAWritableSharedMappingOfAReadOnlyDescriptor) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<MappedFile> reading = file.OpenReadOnly();
  ASSERT_THAT(reading, IsOk());
  EXPECT_THAT(Mapping::MapWhole(*reading, kWritable),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr(file.label()), HasSubstr("read-only"))));
  EXPECT_THAT(Mapping::MapWhole(*reading), IsOk());
}

TEST_F(MappingTest, PrivateWritableNeedsOnlyTheRightToRead) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<MappedFile> reading = file.OpenReadOnly();
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(
      *reading, {.protection = Protection::kReadWrite, .sharing = Sharing::kPrivate});
  ASSERT_THAT(mapping, IsOk());
  mapping->mutable_data()[0] = std::byte{99};
  char in_file = 0;
  ASSERT_EQ(pread(file.fd(), &in_file, 1, 0), 1);
  EXPECT_EQ(in_file, 1);
}

TEST_F(MappingTest, RefusesToWriteToASealedMemfd) {
  UniqueFd fd(memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(fd.get(), 4096), 0);
  ASSERT_EQ(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
  absl::StatusOr<MappedFile> file = MappedFile::FromFd(std::move(fd), "grant 7");
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(Mapping::MapWhole(*file, kWritable),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("grant 7"), HasSubstr("seals"))));
  EXPECT_THAT(Mapping::MapWhole(*file), IsOk());
}

TEST_F(MappingTest, SaysThatTheAddressSpaceIsFull) {
  UniqueFd fd(memfd_create("sparse", MFD_CLOEXEC));
  absl::StatusOr<MappedFile> file = MappedFile::FromFd(std::move(fd), "sparse");
  ASSERT_THAT(file->Resize(uint64_t{1} << 62), IsOk());
  EXPECT_THAT(Mapping::MapWhole(*file),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("address space")));
}

TEST_F(MappingTest, HasTheProtectionAndTheSharingThatWereNamed) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file);
  EXPECT_EQ(RangeAt(mapping->data()).rights, "r--s");
  EXPECT_EQ(mapping->mutable_data(), nullptr);
  mapping = Mapping::MapWhole(file, kWritable);
  EXPECT_EQ(RangeAt(mapping->data()).rights, "rw-s");
  EXPECT_EQ(mapping->mutable_data(), mapping->data());
  mapping = Mapping::MapWhole(file, {.sharing = Sharing::kPrivate});
  EXPECT_EQ(RangeAt(mapping->data()).rights, "r--p");
}

TEST_F(MappingTest, OutlivesItsFileObjectAndItsName) {
  absl::StatusOr<Mapping> mapping;
  {
    MappedFile file = NewFile(4096);
    mapping = Mapping::MapWhole(file, kWritable);
    ASSERT_THAT(mapping, IsOk());
    ASSERT_EQ(unlink(file.label().c_str()), 0);
  }
  mapping->mutable_data()[5] = std::byte{7};
  EXPECT_EQ(mapping->data()[5], std::byte{7});
  EXPECT_THAT(mapping->Flush(0, 4096, FlushMode::kSync), IsOk());
}

TEST_F(MappingTest, KeepsItsAddressThroughMovesAndIsUnmappedOnce) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<Mapping> mapped = Mapping::MapWhole(file, kWritable);
  const std::byte* const data = mapped->data();
  {
    Mapping moved = *std::move(mapped);
    EXPECT_EQ(moved.data(), data);
    EXPECT_EQ(mapped->data(), nullptr);
    EXPECT_EQ(mapped->length(), 0u);
    EXPECT_EQ(mapped->mutable_data(), nullptr);
    Mapping assigned;
    assigned = std::move(moved);
    EXPECT_EQ(assigned.data(), data);
    Mapping& same = assigned;
    assigned = std::move(same);
    EXPECT_EQ(assigned.data(), data);
    EXPECT_TRUE(IsMapped(data));
  }
  EXPECT_FALSE(IsMapped(data));

  // What takes the addresses next is not unmapped by the objects that were moved from.
  void* const successor = mmap(const_cast<std::byte*>(data), PageSize(), PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  ASSERT_EQ(successor, data);
  mapped = absl::UnavailableError("destroys the empty mapping");
  EXPECT_TRUE(IsMapped(data));
  munmap(successor, PageSize());
}

TEST_F(MappingTest, UnmapsTheWholeRangeThatItMappedAndNothingElse) {
  const MappedFile file = NewFile(16 * PageSize());
  // Neighbours of one file, which the kernel joins to one range.
  absl::StatusOr<Mapping> whole = Mapping::MapWhole(file);
  absl::StatusOr<Mapping> part = Mapping::Map(file, 0, 2 * PageSize() + 1);
  const std::byte* const data = part->data();
  EXPECT_THAT(part->Unmap(), IsOk());
  EXPECT_FALSE(IsMapped(data));
  EXPECT_FALSE(IsMapped(data + 2 * PageSize()));
  EXPECT_EQ(RangeAt(whole->data()).end - reinterpret_cast<uintptr_t>(whole->data()),
            16 * PageSize());
  EXPECT_EQ(part->data(), nullptr);
  EXPECT_THAT(part->Unmap(), IsOk()) << "nothing is left to do";
}

TEST_F(MappingTest, AssignmentUnmapsWhatItReplaces) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<Mapping> first = Mapping::MapWhole(file);
  absl::StatusOr<Mapping> second = Mapping::MapWhole(file);
  const std::byte* const replaced = first->data();
  *first = *std::move(second);
  EXPECT_FALSE(IsMapped(replaced));
}

TEST_F(MappingTest, LeavesNothingBehindWhenItIsMadeAndDroppedOften) {
  const MappedFile file = NewFile(4096);
  const auto count_ranges = [] {
    FILE* maps = fopen("/proc/self/maps", "re");
    int lines = 0;
    for (int c = fgetc(maps); c != EOF; c = fgetc(maps)) lines += c == '\n';
    fclose(maps);
    return lines;
  };
  (void)Mapping::MapWhole(file);  // What the first use of anything allocates.
  const int before = count_ranges();
  for (int i = 0; i < 1000; ++i) ASSERT_THAT(Mapping::MapWhole(file, kWritable), IsOk());
  EXPECT_NEAR(count_ranges(), before, 4);
}

TEST_F(MappingTest, PopulatedPagesArePresentBeforeTheFirstAccess) {
  const MappedFile file = NewFile(64 * PageSize());
  for (const Populate populate : {Populate::kForReading, Populate::kForWriting}) {
    MappingOptions options = kWritable;
    options.populate = populate;
    absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file, options);
    ASSERT_THAT(mapping, IsOk());
    UniqueFd pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    std::vector<uint64_t> entries(64);
    const off_t position = static_cast<off_t>(reinterpret_cast<uintptr_t>(mapping->data()) /
                                              PageSize() * sizeof(uint64_t));
    ASSERT_EQ(pread(pagemap.get(), entries.data(), 64 * sizeof(uint64_t), position), 512);
    for (const uint64_t entry : entries) EXPECT_NE(entry >> 63, 0u) << "present";
  }
}

TEST_F(MappingTest, PopulatingChangesNoByte) {
  const MappedFile file = NewFile(8 * 4096);
  MappingOptions options = kWritable;
  options.populate = Populate::kForWriting;
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file, options);
  ASSERT_THAT(mapping, IsOk());
  for (int i = 0; i < 8; ++i) EXPECT_EQ(mapping->data()[i * 4096], static_cast<std::byte>(i + 1));
}

TEST_F(MappingTest, RefusesToPopulateForWritingWhatCannotBeWritten) {
  const MappedFile file = NewFile(4096);
  EXPECT_THAT(Mapping::MapWhole(file, {.populate = Populate::kForWriting}),
              StatusIs(kInvalid, HasSubstr("writable")));
}

TEST_F(MappingTest, PopulatingOnAnOldKernelIsAnErrorThatSaysSo) {
  const MappedFile file = NewFile(4096);
  EXPECT_EQ(RunInChild([&] {
              if (!FailSystemCall(SYS_madvise, EINVAL, kPopulate)) return 1;
              const absl::Status status =
                  Mapping::MapWhole(file, {.populate = Populate::kForReading}).status();
              if (!absl::IsUnimplemented(status)) return 2;
              return status.message().find("5.14") != absl::string_view::npos ? 0 : 3;
            }),
            "exit 0");
}

TEST_F(MappingTest, FlushesAnyRangeInsideOfIt) {
  const MappedFile file = NewFile(4 * PageSize());
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file, kWritable);
  mapping->mutable_data()[PageSize() + 7] = std::byte{1};
  EXPECT_THAT(mapping->Flush(PageSize() + 7, 1, FlushMode::kSync), IsOk());
  EXPECT_THAT(mapping->Flush(0, 4 * PageSize(), FlushMode::kSync), IsOk());
  EXPECT_THAT(mapping->Flush(4 * PageSize() - 1, 1, FlushMode::kAsync), IsOk());
}

// How a child of fork() ends that stores into the mapping.
std::string StoreInChild(Mapping& mapping) {
  return RunInChild([&] {
    signal(SIGSEGV, SIG_DFL);  // Sanitizers have a handler of their own.
    *const_cast<volatile std::byte*>(mapping.mutable_data()) = std::byte{7};
    return 0;
  });
}

TEST_F(MappingTest, ChildrenOfForkHaveItUnlessToldOtherwise) {
  MappedFile file = NewFile(4096);
  absl::StatusOr<Mapping> inherited = Mapping::MapWhole(file, kWritable);
  ASSERT_THAT(inherited, IsOk());
  EXPECT_EQ(StoreInChild(*inherited), "exit 0");
  EXPECT_EQ(inherited->data()[0], std::byte{7});

  inherited->mutable_data()[0] = std::byte{1};
  absl::StatusOr<Mapping> kept =
      Mapping::MapWhole(file, {.protection = Protection::kReadWrite, .inherited = false});
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(StoreInChild(*kept), "signal 11 (SIGSEGV)");
  file.SetInherited(false);
  absl::StatusOr<Mapping> kept_by_file = Mapping::MapWhole(file, kWritable);
  ASSERT_THAT(kept_by_file, IsOk());
  EXPECT_FALSE(kept_by_file->options().inherited);
  EXPECT_EQ(StoreInChild(*kept_by_file), "signal 11 (SIGSEGV)");
  EXPECT_EQ(inherited->data()[0], std::byte{1});
}

TEST_F(MappingTest, PopulatingPagesThatTheHardwareLostIsDataLoss) {
  const MappedFile file = NewFile(4096);
  EXPECT_EQ(RunInChild([&] {
              if (!FailSystemCall(SYS_madvise, EHWPOISON, kPopulate)) return 1;
              return absl::IsDataLoss(
                         Mapping::MapWhole(file, {.populate = Populate::kForReading}).status())
                         ? 0
                         : 2;
            }),
            "exit 0");
}

TEST_F(MappingTest, PopulatingAWholeFileThatCannotBeReadIsDataLoss) {
  const MappedFile file = NewFile(4096);
  ASSERT_EQ(fsync(file.fd()), 0);  // Allocates: a file without holes cannot lack space.
  EXPECT_EQ(RunInChild([&] {
              if (!FailSystemCall(SYS_madvise, EFAULT, kPopulate)) return 1;
              return absl::IsDataLoss(
                         Mapping::MapWhole(file, {.populate = Populate::kForReading}).status())
                         ? 0
                         : 2;
            }),
            "exit 0");
}

TEST_F(MappingTest, AFailedSyncIsReportedWithItsRange) {
  const MappedFile file = NewFile(8192);
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file, kWritable);
  EXPECT_EQ(RunInChild([&] {
              if (!FailSystemCall(SYS_msync, EIO)) return 1;
              const absl::Status status = mapping->Flush(4096, 100, FlushMode::kSync);
              const auto says = [&](absl::string_view text) {
                return status.message().find(text) != absl::string_view::npos;
              };
              if (!absl::IsDataLoss(status)) return 2;
              return says(file.label()) && says("offset 4096, length 100") && says("EIO") ? 0 : 3;
            }),
            "exit 0");
}

TEST_F(MappingTest, AFailedUnmapIsReportedAndNotRepeated) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file);
  EXPECT_EQ(RunInChild([&] {
              if (!FailSystemCall(SYS_munmap, ENOMEM)) return 1;
              if (!absl::IsResourceExhausted(mapping->Unmap())) return 2;
              return mapping->data() == nullptr && mapping->Unmap().ok() ? 0 : 3;
            }),
            "exit 0");
}

TEST_F(MappingTest, RefusesToFlushOrAdviseOutsideOfIt) {
  const MappedFile file = NewFile(8192);
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file, kWritable);
  for (const auto& [begin, length] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0, 8193}, {8192, 1}, {UINT64_MAX, 1}, {1, UINT64_MAX}, {UINT64_MAX - 4095, 4096}}) {
    EXPECT_THAT(mapping->Flush(begin, length, FlushMode::kSync),
                StatusIs(kOutOfRange, AllOf(HasSubstr(file.label()), HasSubstr("8192 bytes"))));
    EXPECT_THAT(mapping->Advise(begin, length, Advice::kRandom), StatusIs(kOutOfRange));
  }
  EXPECT_THAT(mapping->Flush(0, 0, FlushMode::kSync), StatusIs(kInvalid));
  EXPECT_THAT(mapping->Advise(0, 0, Advice::kRandom), StatusIs(kInvalid));
  EXPECT_THAT(Mapping().Flush(0, 1, FlushMode::kSync), StatusIs(kOutOfRange));
}

TEST_F(MappingTest, RefusesToFlushWhatNeverReachesTheFile) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<Mapping> mapping =
      Mapping::MapWhole(file, {.protection = Protection::kReadWrite, .sharing = Sharing::kPrivate});
  EXPECT_THAT(mapping->Flush(0, 4096, FlushMode::kSync), StatusIs(kInvalid, HasSubstr("private")));
}

TEST_F(MappingTest, TakesEveryAdviceAndKeepsItsBytes) {
  const MappedFile file = NewFile(4 * 4096);
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file, kWritable);
  mapping->mutable_data()[1] = std::byte{42};
  for (const Advice advice : {Advice::kNormal, Advice::kSequential, Advice::kRandom,
                              Advice::kWillNeed, Advice::kDontNeed, Advice::kNoDump}) {
    EXPECT_THAT(mapping->Advise(1, 5000, advice), IsOk()) << static_cast<int>(advice);
  }
  const absl::Status huge = mapping->Advise(0, 4096, Advice::kHugePages);
  EXPECT_TRUE(huge.ok() || absl::IsUnimplemented(huge)) << huge;
  EXPECT_EQ(mapping->data()[1], std::byte{42});
}

TEST_F(MappingTest, RefusesToDropPrivatePages) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<Mapping> mapping =
      Mapping::MapWhole(file, {.protection = Protection::kReadWrite, .sharing = Sharing::kPrivate});
  mapping->mutable_data()[0] = std::byte{42};
  EXPECT_THAT(mapping->Advise(0, 4096, Advice::kDontNeed), StatusIs(kInvalid));
  EXPECT_EQ(mapping->data()[0], std::byte{42});
}

TEST_F(MappingTest, GuardedMappingNeedsAnInstalledGuard) {
  const MappedFile file = NewFile(4096);
  const std::byte* const before = Mapping::MapWhole(file)->data();
  EXPECT_THAT(Mapping::MapWhole(file, {.guarded = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("SigbusGuard::Install()")));
  EXPECT_FALSE(IsMapped(before)) << "the refused mapping is gone";
}

TEST_F(MappingTest, UnguardedMappingIsNeverDamaged) {
  const MappedFile file = NewFile(4096);
  absl::StatusOr<Mapping> mapping = Mapping::MapWhole(file);
  EXPECT_FALSE(mapping->damaged());
  EXPECT_THAT(mapping->damage(), IsOk());
  EXPECT_FALSE(Mapping().damaged());
}

}  // namespace
}  // namespace causeway
