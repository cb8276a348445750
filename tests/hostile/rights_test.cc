// What a reader can do with the descriptors that it was granted, and what it cannot: as the user
// that it runs as, and as another one. docs/architecture.md, "Who may do what", says the same.

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "control/testing/coordinator_process.h"
#include "control/testing/rpc_client.h"
#include "control/testing/served_directory.h"
#include "control/testing/test_agent.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/subprocess.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using testing::AgentsClient;
using testing::CoordinatorProcess;
using testing::ReceivedEvent;
using testing::RunInChild;
using testing::ServedDirectory;
using testing::TestAgent;

constexpr size_t kPage = 4096;
constexpr uid_t kNobody = 65534;

// 0, or the number of the error that the call made.
int ErrorOf(int64_t result) { return result < 0 ? errno : 0; }

int OpenError(const std::string& path, int flags) {
  const UniqueFd opened(open(path.c_str(), flags | O_CLOEXEC));
  return opened.valid() ? 0 : errno;
}

std::string ThroughProc(const UniqueFd& fd) { return absl::StrCat("/proc/self/fd/", fd.get()); }

int ConnectError(const std::string& path, int type) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const UniqueFd client(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  return ErrorOf(
      connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

bool BecomeNobody() {
  return setgroups(0, nullptr) == 0 && setgid(kNobody) == 0 && setuid(kNobody) == 0;
}

class RightsTest : public ::testing::Test {
 protected:
  RightsTest() {
    EXPECT_TRUE(coordinator_.ready()) << coordinator_.Log();
    v1::OpenWriterRequest write;
    write.set_stream("s");
    write.set_create_if_missing(true);
    EXPECT_TRUE(AgentsClient(directory_, writer_.token()).OpenWriter(write).ok());
    path_ = writer_.ReceiveUntil(v1::HandoffEvent::kDescriptorGranted)
                .event.descriptor_granted()
                .label();
    v1::OpenReaderRequest read;
    read.set_stream("s");
    EXPECT_TRUE(AgentsClient(directory_, reader_.token()).OpenReader(read).ok());
    lane_ = reader_.ReceiveUntil(v1::HandoffEvent::kLaneOpened).descriptor;
    EXPECT_TRUE(lane_.valid());
  }

  ServedDirectory temporary_;
  const std::string directory_ = temporary_.path();
  CoordinatorProcess coordinator_{directory_, {"--ephemeral"}};
  TestAgent writer_{directory_, "writer"};
  TestAgent reader_{directory_, "reader"};
  std::string path_;  // of the lane's file
  UniqueFd lane_;     // as the reader was granted it
};

TEST_F(RightsTest, AReadersDescriptorNeverBecomesAWritableMapping) {
  EXPECT_EQ(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, lane_.get(), 0), MAP_FAILED);
  EXPECT_EQ(errno, EACCES);
  void* const page = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, lane_.get(), 0);
  ASSERT_NE(page, MAP_FAILED);
  // Also as root.
  EXPECT_EQ(ErrorOf(mprotect(page, kPage, PROT_READ | PROT_WRITE)), EACCES);
  EXPECT_EQ(ErrorOf(mprotect(page, kPage, PROT_WRITE)), EACCES);
  munmap(page, kPage);
}

TEST_F(RightsTest, AReadersDescriptorChangesNothingOfTheFile) {
  const char byte = 'x';
  EXPECT_EQ(ErrorOf(pwrite(lane_.get(), &byte, 1, 0)), EBADF);
  EXPECT_EQ(ErrorOf(ftruncate(lane_.get(), 0)), EINVAL);
  EXPECT_EQ(ErrorOf(fallocate(lane_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage)),
            EBADF);
  EXPECT_NE(ErrorOf(fcntl(lane_.get(), F_SETFL, O_RDWR)), EBADF);  // Ignored by the kernel:
  EXPECT_EQ(fcntl(lane_.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
}

TEST_F(RightsTest, FilesAreOpenToTheirUserAlone) {
  struct stat attributes;
  ASSERT_EQ(fstat(lane_.get(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777, 0600u);
  EXPECT_EQ(attributes.st_uid, geteuid());
}

// What the documentation says of processes of the coordinator's own user: nothing but the file's
// mode decides for them.
TEST_F(RightsTest, TheSameUserMayOpenTheFileAnew) {
  EXPECT_EQ(OpenError(ThroughProc(lane_), O_RDWR), 0);
  EXPECT_EQ(OpenError(path_, O_RDWR), 0);
}

TEST_F(RightsTest, AnotherUserCanOnlyUseWhatItWasHanded) {
  if (RunInChild([] { return BecomeNobody() ? 0 : 1; }) != "exit 0") {
    GTEST_SKIP() << "there is nobody else to become: needs root, outside of a user namespace";
  }
  const auto in_child = [&](const std::function<int()>& error) {
    return RunInChild([&] { return BecomeNobody() ? error() : -1; });
  };
  const std::string refused = absl::StrCat("exit ", EACCES);
  const std::string allowed = "exit 0";
  EXPECT_EQ(in_child([&] { return OpenError(ThroughProc(lane_), O_RDWR); }), refused);
  EXPECT_EQ(in_child([&] { return OpenError(ThroughProc(lane_), O_RDONLY); }), refused);
  EXPECT_EQ(in_child([&] { return OpenError(path_, O_RDWR); }), refused);
  EXPECT_EQ(in_child([&] { return OpenError(path_, O_RDONLY); }), refused);
  for (const char* name : {"/control.sock", "/admin.sock"}) {
    EXPECT_EQ(in_child([&] { return ConnectError(directory_ + name, SOCK_STREAM); }), refused);
  }
  EXPECT_EQ(in_child([&] { return ConnectError(directory_ + "/handoff.sock", SOCK_SEQPACKET); }),
            refused);
  // The descriptor itself does for it what it does for everybody.
  EXPECT_EQ(in_child([&] {
              void* const page = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, lane_.get(), 0);
              return page == MAP_FAILED ? errno : 0;
            }),
            allowed);
  EXPECT_EQ(in_child([&] {
              void* const page = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, lane_.get(), 0);
              return ErrorOf(mprotect(page, kPage, PROT_READ | PROT_WRITE));
            }),
            refused);
}

}  // namespace
}  // namespace causeway
