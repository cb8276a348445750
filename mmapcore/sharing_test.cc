// What one process stores, another sees: shown with real processes. Each step waits for an answer
// over a pipe, so "at once" means: nothing but the mapping was touched in between.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/protection.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/subprocess.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using ::causeway::testing::IsOk;
using ::causeway::testing::Peer;
using ::causeway::testing::Runfile;
using ::causeway::testing::RunInChild;
using ::causeway::testing::ScratchDirectory;

std::atomic_ref<uint64_t> WordAt(Mapping& mapping, uint64_t at) {
  return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(mapping.mutable_data() + at));
}

class SharingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<MappedFile> file = MappedFile::Create(scratch_.File("shared"), 0600);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(file->Resize(4 * page_), IsOk());
    file_.emplace(*std::move(file));
  }

  // A process started by exec() that has nothing in common with this one but the file's name.
  Peer StartPeer(uint64_t offset, uint64_t length, const std::string& how) {
    absl::StatusOr<Peer> peer = Peer::Start({Runfile("mmapcore/sharing_peer")});
    EXPECT_THAT(peer, IsOk());
    EXPECT_EQ(*peer->Ask(absl::StrCat("map ", file_->label(), " ", offset, " ", length, " ", how)),
              "ok");
    return *std::move(peer);
  }

  static std::string Ask(Peer& peer, const std::string& line) {
    absl::StatusOr<std::string> answer = peer.Ask(line);
    return answer.ok() ? *answer : answer.status().ToString();
  }

  uint64_t InFile(uint64_t at) const {
    uint64_t number = 0;
    EXPECT_EQ(pread(file_->fd(), &number, sizeof(number), static_cast<off_t>(at)), 8);
    return number;
  }

  const uint64_t page_ = PageSize();
  ScratchDirectory scratch_;
  std::optional<MappedFile> file_;
};

TEST_F(SharingTest, ChildOfForkAndItsParentSeeEachOthersStores) {
  absl::StatusOr<Mapping> mapping =
      Mapping::MapWhole(*file_, {.protection = Protection::kReadWrite});
  ASSERT_THAT(mapping, IsOk());
  WordAt(*mapping, 8) = 1;
  EXPECT_EQ(RunInChild([&] {
              if (WordAt(*mapping, 8) != 1) return 1;
              WordAt(*mapping, page_) = 2;  // Through the inherited mapping.
              return 0;
            }),
            "exit 0");
  EXPECT_EQ(WordAt(*mapping, page_), 2u);
  EXPECT_EQ(InFile(page_), 2u);
}

TEST_F(SharingTest, StoresOfChildAndParentAreSeenWhileBothLive) {
  absl::StatusOr<Mapping> mapping =
      Mapping::MapWhole(*file_, {.protection = Protection::kReadWrite});
  int down[2], up[2];
  ASSERT_EQ(pipe(down), 0);
  ASSERT_EQ(pipe(up), 0);
  UniqueFd to_child(down[1]), in_child(down[0]), from_child(up[0]), of_child(up[1]);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  char turn = 0;
  if (child == 0) {
    for (uint64_t i = 1; i <= 1000; ++i) {
      if (read(in_child.get(), &turn, 1) != 1 || WordAt(*mapping, 0) != i) _exit(1);
      WordAt(*mapping, page_) = i;
      if (write(of_child.get(), &turn, 1) != 1) _exit(2);
    }
    _exit(0);
  }
  for (uint64_t i = 1; i <= 1000; ++i) {
    WordAt(*mapping, 0) = i;
    ASSERT_EQ(write(to_child.get(), &turn, 1), 1);
    ASSERT_EQ(read(from_child.get(), &turn, 1), 1);
    ASSERT_EQ(WordAt(*mapping, page_), i);
  }
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
}

TEST_F(SharingTest, UnrelatedProcessesSeeEachOthersStoresThroughWindowsAtDifferentOffsets) {
  Peer wide = StartPeer(0, 4 * page_, "write");
  Peer narrow = StartPeer(2 * page_, page_, "write");
  EXPECT_EQ(Ask(wide, absl::StrCat("store ", 2 * page_ + 16, " 41")), "ok");
  EXPECT_EQ(Ask(narrow, "load 16"), "41");
  EXPECT_EQ(Ask(narrow, "store 24 42"), "ok");
  EXPECT_EQ(Ask(wide, absl::StrCat("load ", 2 * page_ + 24)), "42");
  EXPECT_EQ(Ask(wide, "load 24"), "0") << "the same place in another page";
}

TEST_F(SharingTest, ReadersSeeWhatAWriterStoresThroughDescriptorsThatMayOnlyRead) {
  Peer writer = StartPeer(0, page_, "write");
  Peer reader = StartPeer(0, page_, "read");
  for (int i = 1; i <= 100; ++i) {
    ASSERT_EQ(Ask(writer, absl::StrCat("store 64 ", i)), "ok");
    ASSERT_EQ(Ask(reader, "load 64"), absl::StrCat(i));
  }
}

TEST_F(SharingTest, ReadOfTheFileSeesAStoreAndAMappingSeesAWrite) {
  Peer peer = StartPeer(page_, page_, "write");
  EXPECT_EQ(Ask(peer, "store 8 7"), "ok");
  EXPECT_EQ(InFile(page_ + 8), 7u);
  const uint64_t number = 9;
  ASSERT_EQ(pwrite(file_->fd(), &number, sizeof(number), static_cast<off_t>(page_ + 8)), 8);
  EXPECT_EQ(Ask(peer, "load 8"), "9");
}

TEST_F(SharingTest, AStoreOutlivesTheProcessThatIsKilledAfterIt) {
  Peer peer = StartPeer(0, page_, "write");
  EXPECT_EQ(Ask(peer, "store 8 7"), "ok");
  peer.Kill();
  EXPECT_EQ(InFile(8), 7u);
  Peer next = StartPeer(0, page_, "read");
  EXPECT_EQ(Ask(next, "load 8"), "7");
}

TEST_F(SharingTest, APrivateMappingStaysPrivate) {
  Peer others = StartPeer(0, page_, "write");
  Peer alone = StartPeer(0, page_, "private");
  EXPECT_EQ(Ask(others, "store 8 1"), "ok");
  EXPECT_EQ(Ask(alone, "store 8 2"), "ok");
  EXPECT_EQ(Ask(alone, "load 8"), "2");
  EXPECT_EQ(Ask(others, "load 8"), "1");
  EXPECT_EQ(InFile(8), 1u);
  EXPECT_EQ(Ask(others, "store 16 3"), "ok");
  EXPECT_EQ(Ask(alone, "load 16"), "0") << "its copy of the page is older than that store";
}

}  // namespace
}  // namespace causeway
