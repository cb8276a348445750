#include "mmapcore/mapped_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "mmapcore/protection.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/subprocess.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::RunInChild;
using ::causeway::testing::ScratchDirectory;
using ::causeway::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MappedFileTest : public ::testing::Test {
 protected:
  ScratchDirectory scratch_;
};

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST_F(MappedFileTest, CreateMakesAnEmptyWritableFileWithItsMode) {
  const mode_t former_umask = umask(0022);
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0666);
  umask(former_umask);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->protection(), Protection::kReadWrite);
  EXPECT_EQ(file->label(), scratch_.File("a"));
  EXPECT_EQ(*file->Size(), 0u);
  struct stat attributes;
  ASSERT_EQ(fstat(file->fd(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777, 0644u);
}

TEST_F(MappedFileTest, CreateRefusesAnExistingFileAndLeavesItAlone) {
  absl::StatusOr<MappedFile> first = MappedFile::Create(scratch_.File("a"), 0600);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(first->Resize(123), IsOk());
  EXPECT_THAT(MappedFile::Create(scratch_.File("a"), 0600),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(scratch_.File("a"))));
  EXPECT_EQ(*first->Size(), 123u);
}

TEST_F(MappedFileTest, CreateRefusesASymbolicLinkEvenToNothing) {
  ASSERT_EQ(symlink(scratch_.File("target").c_str(), scratch_.File("link").c_str()), 0);
  EXPECT_THAT(MappedFile::Create(scratch_.File("link"), 0600),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_NE(access(scratch_.File("target").c_str(), F_OK), 0);
}

TEST_F(MappedFileTest, CreateOpensAnExistingFileWhenAskedToAndKeepsItsBytes) {
  absl::StatusOr<MappedFile> first = MappedFile::Create(scratch_.File("a"), 0600);
  ASSERT_THAT(first->Resize(123), IsOk());
  absl::StatusOr<MappedFile> second =
      MappedFile::Create(scratch_.File("a"), 0600, MappedFile::IfExists::kOpen);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(*second->Size(), 123u);
}

TEST_F(MappedFileTest, OpenHasExactlyTheRightsThatWereAskedFor) {
  ASSERT_THAT(MappedFile::Create(scratch_.File("a"), 0600), IsOk());
  absl::StatusOr<MappedFile> reading = MappedFile::Open(scratch_.File("a"), Protection::kRead);
  ASSERT_THAT(reading, IsOk());
  EXPECT_EQ(reading->protection(), Protection::kRead);
  EXPECT_EQ(fcntl(reading->fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
  absl::StatusOr<MappedFile> writing = MappedFile::Open(scratch_.File("a"), Protection::kReadWrite);
  ASSERT_THAT(writing, IsOk());
  EXPECT_EQ(writing->protection(), Protection::kReadWrite);
  EXPECT_EQ(fcntl(writing->fd(), F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST_F(MappedFileTest, DescriptorsDoNotSurviveExec) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
  absl::StatusOr<MappedFile> copy = file->OpenReadOnly();
  ASSERT_THAT(copy, IsOk());
  EXPECT_NE(fcntl(file->fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(copy->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(MappedFileTest, AMissingFileIsNotFoundByItsName) {
  EXPECT_THAT(MappedFile::Open(scratch_.File("no/such"), Protection::kRead),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr(scratch_.File("no/such")), HasSubstr("ENOENT"))));
}

TEST_F(MappedFileTest, PathsThatTheKernelWouldMisreadAreRefused) {
  EXPECT_THAT(MappedFile::Open("", Protection::kRead),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  const std::string with_nul = scratch_.File("a") + std::string("\0b", 2);
  EXPECT_THAT(MappedFile::Create(with_nul, 0600),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("NUL")));
  EXPECT_NE(access(scratch_.File("a").c_str(), F_OK), 0);
  EXPECT_THAT(MappedFile::Open(scratch_.File(std::string(300, 'x')), Protection::kRead),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ENAMETOOLONG")));
}

TEST_F(MappedFileTest, RefusesADirectory) {
  EXPECT_THAT(MappedFile::Open(scratch_.path(), Protection::kRead),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a directory")));
  EXPECT_THAT(MappedFile::Open(scratch_.path(), Protection::kReadWrite),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("EISDIR")));
}

TEST_F(MappedFileTest, RefusesAPipeWithoutWaitingForItsOtherEnd) {
  ASSERT_EQ(mkfifo(scratch_.File("fifo").c_str(), 0600), 0);
  EXPECT_THAT(MappedFile::Open(scratch_.File("fifo"), Protection::kRead),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a pipe")));
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  UniqueFd writing_end(ends[1]);
  EXPECT_THAT(MappedFile::FromFd(UniqueFd(ends[0]), "pipe"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pipe: it is a pipe")));
  EXPECT_FALSE(IsOpen(ends[0])) << "a refused descriptor is closed";
}

TEST_F(MappedFileTest, RefusesASocket) {
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
  ASSERT_EQ(chdir(scratch_.path().c_str()), 0);  // An absolute path may be too long for sun_path.
  ASSERT_EQ(bind(socket_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_THAT(MappedFile::Open("socket", Protection::kRead),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ENXIO")));
  ASSERT_EQ(chdir("/"), 0);
  EXPECT_THAT(MappedFile::FromFd(std::move(socket_fd), "received"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a socket")));
}

TEST_F(MappedFileTest, RefusesDevicesAndKernelObjects) {
  EXPECT_THAT(MappedFile::Open("/dev/zero", Protection::kRead),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a character device")));
  EXPECT_THAT(MappedFile::FromFd(UniqueFd(epoll_create1(EPOLL_CLOEXEC)), "epoll"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("kernel object")));
}

TEST_F(MappedFileTest, RefusesDescriptorsThatCannotBeMapped) {
  ASSERT_THAT(MappedFile::Create(scratch_.File("a"), 0600), IsOk());
  const std::string path = scratch_.File("a");
  EXPECT_THAT(MappedFile::FromFd(UniqueFd(open(path.c_str(), O_WRONLY)), "grant 7"),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("grant 7"), HasSubstr("O_WRONLY"))));
  EXPECT_THAT(MappedFile::FromFd(UniqueFd(open(path.c_str(), O_PATH)), "grant 7"),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("O_PATH")));
  EXPECT_THAT(MappedFile::FromFd(UniqueFd(), "grant 7"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not an open descriptor")));
}

TEST_F(MappedFileTest, RefusesHugePageFilesWhosePagesHaveAnotherSize) {
  UniqueFd fd(memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB));
  if (!fd.valid()) GTEST_SKIP() << "no hugetlbfs in this kernel: " << strerror(errno);
  EXPECT_THAT(MappedFile::FromFd(std::move(fd), "huge"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("hugetlbfs")));
}

TEST_F(MappedFileTest, TakesAMemfdUnderItsLabel) {
  absl::StatusOr<MappedFile> file =
      MappedFile::FromFd(UniqueFd(memfd_create("memory", MFD_CLOEXEC)), "grant 7");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->label(), "grant 7");
  EXPECT_EQ(file->protection(), Protection::kReadWrite);
}

TEST_F(MappedFileTest, AReadOnlyCopyIsTheSameFileWithFewerRights) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
  ASSERT_THAT(file->Resize(4096), IsOk());
  absl::StatusOr<MappedFile> copy = file->OpenReadOnly();
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(copy->protection(), Protection::kRead);
  EXPECT_EQ(copy->label(), file->label());
  struct stat original, reopened;
  ASSERT_EQ(fstat(file->fd(), &original), 0);
  ASSERT_EQ(fstat(copy->fd(), &reopened), 0);
  EXPECT_EQ(original.st_ino, reopened.st_ino);
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, copy->fd(), 0), MAP_FAILED);
  EXPECT_EQ(errno, EACCES);
}

TEST_F(MappedFileTest, AReadOnlyCopyOutlivesTheNameOfTheFile) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
  ASSERT_EQ(unlink(scratch_.File("a").c_str()), 0);
  EXPECT_THAT(file->OpenReadOnly(), IsOk());
}

TEST_F(MappedFileTest, ResizeGrowsAndShrinks) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
  ASSERT_THAT(file->Resize(10000), IsOk());
  EXPECT_EQ(*file->Size(), 10000u);
  ASSERT_THAT(file->Resize(1), IsOk());
  EXPECT_EQ(*file->Size(), 1u);
}

TEST_F(MappedFileTest, ResizeNeedsARightAndASizeThatExists) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
  absl::StatusOr<MappedFile> copy = file->OpenReadOnly();
  EXPECT_THAT(copy->Resize(1), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(file->Resize(UINT64_MAX), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(file->Resize(INT64_MAX), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("EFBIG")));
  EXPECT_EQ(*file->Size(), 0u);
}

TEST_F(MappedFileTest, ResizeAboveTheProcessLimitIsAnErrorAndNoSignal) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
  EXPECT_EQ(RunInChild([&] {
              const rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
              if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              if (!file->Resize(4096).ok()) return 2;
              return absl::IsResourceExhausted(file->Resize(4097)) ? 0 : 3;
            }),
            "exit 0");
  EXPECT_EQ(*file->Size(), 4096u);
}

TEST_F(MappedFileTest, SyncsAFile) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
  ASSERT_EQ(write(file->fd(), "x", 1), 1);
  EXPECT_THAT(file->Sync(), IsOk());
}

TEST_F(MappedFileTest, MovesWithItsDescriptor) {
  absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("a"), 0600);
  const int fd = file->fd();
  {
    MappedFile moved = *std::move(file);
    EXPECT_EQ(moved.fd(), fd);
    EXPECT_TRUE(IsOpen(fd));
  }
  EXPECT_FALSE(IsOpen(fd));
}

}  // namespace
}  // namespace causeway
