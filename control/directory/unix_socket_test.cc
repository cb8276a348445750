#include "control/directory/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "control/process/testing/unix_connection.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using testing::ConnectSeqpacket;
using testing::IsOk;
using testing::ScratchDirectory;
using testing::StatusIs;

class UnixSocketTest : public ::testing::Test {
 protected:
  // The scratch directory may be too deep for a plain address; everything below works anyway.
  std::string PathOf(const std::string& directory, const std::string& name) {
    descriptor_.Reset(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return *SocketPath(directory, descriptor_.get(), name);
  }

  ScratchDirectory scratch_;
  UniqueFd descriptor_;
};

TEST_F(UnixSocketTest, ShortPathStaysAsItIs) {
  EXPECT_EQ(*SocketPath("/run/causeway", 7, "handoff.sock"), "/run/causeway/handoff.sock");
}

TEST_F(UnixSocketTest, PathOfAnyLengthCanBeServed) {
  std::string directory = scratch_.path();
  for (int i = 0; i < 5; ++i) {
    directory += "/" + std::string(50, 'x');
    ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  }
  const std::string path = PathOf(directory, "handoff.sock");
  ASSERT_LT(path.size(), 108u);
  const absl::StatusOr<UniqueFd> listening = ListenSeqpacket(path);
  ASSERT_THAT(listening, IsOk());
  EXPECT_EQ(access((directory + "/handoff.sock").c_str(), F_OK), 0);
  EXPECT_TRUE(ConnectSeqpacket(path.c_str()).valid());
}

TEST_F(UnixSocketTest, NameThatIsTooLongIsRefused) {
  EXPECT_THAT(SocketPath("/run", 7, std::string(200, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("107")));
  EXPECT_THAT(ListenSeqpacket(std::string(200, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("107")));
}

TEST_F(UnixSocketTest, NobodyElseMayConnect) {
  const std::string path = PathOf(scratch_.path(), "s");
  const absl::StatusOr<UniqueFd> listening = ListenSeqpacket(path);
  ASSERT_THAT(listening, IsOk());
  struct stat attributes;
  ASSERT_EQ(stat(path.c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777, 0600u);
}

TEST_F(UnixSocketTest, StaleSocketIsReplaced) {
  const std::string path = PathOf(scratch_.path(), "s");
  ASSERT_THAT(ListenSeqpacket(path), IsOk());  // Closed at once; the file stays.
  EXPECT_THAT(ListenSeqpacket(path), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(RemoveStaleSocket(path), IsOk());
  const absl::StatusOr<UniqueFd> listening = ListenSeqpacket(path);
  ASSERT_THAT(listening, IsOk());
  EXPECT_TRUE(ConnectSeqpacket(path.c_str()).valid());
}

TEST_F(UnixSocketTest, WhatIsNotASocketIsLeftAlone) {
  std::ofstream(scratch_.File("s")) << "precious";
  EXPECT_THAT(RemoveStaleSocket(scratch_.File("s")),
              StatusIs(absl::StatusCode::kAlreadyExists, ::testing::HasSubstr("in the way")));
  EXPECT_EQ(access(scratch_.File("s").c_str(), F_OK), 0);
  EXPECT_THAT(RemoveStaleSocket(scratch_.File("nothing")), IsOk());
}

}  // namespace
}  // namespace causeway
