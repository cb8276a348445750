#include "tests/faults/refusable_calls.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/testing/nth_system_call.h"

namespace causeway::faults {
namespace {

bool IsStream(int descriptor) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

// Not counted are connections of gRPC, for one whose beginning failed it closes when its time is
// up, minutes later; and until then its event loop: an epoll and an eventfd.
int Descriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int descriptor = -1;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &descriptor)) continue;
    if (IsStream(descriptor)) continue;
    std::error_code gone;
    const bool is_loop =
        std::filesystem::read_symlink(entry.path(), gone) == "anon_inode:[eventpoll]";
    count += is_loop ? -1 : 1;
  }
  return count;
}

// gRPC's come and go as it likes.
size_t ThreadsOfOurs() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(entry.path() / "comm"), name);
    if (absl::StartsWith(name, "causeway") || absl::StartsWith(name, "doorbell")) ++count;
  }
  return count;
}

size_t MappingsOfFiles() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (absl::StrContains(line, "/files/") || absl::StrContains(line, "memfd:")) ++count;
  }
  return count;
}

}  // namespace

std::span<const RefusableCall> CallsOfAgents() {
  static const auto* const calls = new std::vector<RefusableCall>{
      {SYS_socket, "socket", {EMFILE, ENOBUFS}},
      {SYS_connect, "connect", {ECONNREFUSED, EAGAIN}},
      {SYS_sendmsg, "sendmsg", {ENOBUFS, EPIPE}},
      {SYS_recvmsg, "recvmsg", {ENOMEM, ECONNRESET}},
      {SYS_openat, "openat", {EMFILE, EACCES}},
      {SYS_mmap, "mmap", {ENOMEM}},
      {SYS_munmap, "munmap", {ENOMEM}},
      {SYS_madvise, "madvise", {ENOMEM}},
      {SYS_fcntl, "fcntl", {EMFILE}},
      {SYS_newfstatat, "newfstatat", {EIO, ENOMEM}},
      {SYS_membarrier, "membarrier", {ENOSYS, ENOMEM}},
      {SYS_poll, "poll", {ENOMEM, EINTR}},
      {SYS_ppoll, "ppoll", {ENOMEM, EINTR}},
      {SYS_getsockname, "getsockname", {ENOBUFS}},
      {SYS_getpeername, "getpeername", {ENOBUFS}},
      {SYS_getsockopt, "getsockopt", {ENOBUFS}},
      {SYS_setsockopt, "setsockopt", {ENOMEM}},
      {SYS_shutdown, "shutdown", {ENOBUFS}},
  };
  return *calls;
}

std::span<const RefusableCall> CallsOfCoordinators() {
  static const auto* const calls = new std::vector<RefusableCall>{
      {SYS_accept4, "accept4", {EMFILE, ENFILE, ENOMEM, ECONNABORTED}},
      {SYS_sendmsg, "sendmsg", {ENOBUFS, EPIPE}},
      {SYS_recvmsg, "recvmsg", {ENOMEM, ECONNRESET}},
      {SYS_openat, "openat", {EMFILE, ENOSPC, EIO}},
      {SYS_fallocate, "fallocate", {ENOSPC, EIO}},
      {SYS_ftruncate, "ftruncate", {EIO, ENOSPC}},
      {SYS_mmap, "mmap", {ENOMEM}},
      {SYS_munmap, "munmap", {ENOMEM}},
      {SYS_madvise, "madvise", {ENOMEM, EFAULT}},
      {SYS_fcntl, "fcntl", {EMFILE}},
      {SYS_newfstatat, "newfstatat", {EIO, ENOMEM}},
      {SYS_timerfd_settime, "timerfd_settime", {ENOMEM}},
      {SYS_pidfd_open, "pidfd_open", {EMFILE, ENOSYS}},
      {SYS_unlinkat, "unlinkat", {EIO, EBUSY}},
      {SYS_unlink, "unlink", {EIO, EBUSY}},
      {SYS_fsync, "fsync", {EIO}},
      {SYS_fdatasync, "fdatasync", {EIO, ENOSPC}},
      {SYS_pwrite64, "pwrite64", {ENOSPC, EIO}},
      {SYS_pread64, "pread64", {EIO}},
      {SYS_getsockname, "getsockname", {ENOBUFS}},
      {SYS_getpeername, "getpeername", {ENOBUFS}},
      {SYS_getsockopt, "getsockopt", {ENOBUFS}},
      {SYS_setsockopt, "setsockopt", {ENOMEM}},
      {SYS_poll, "poll", {ENOMEM, EINTR}},
      {SYS_shutdown, "shutdown", {ENOBUFS}},
  };
  return *calls;
}

void Watch(std::span<const RefusableCall> calls) {
  std::vector<long> numbers;
  for (const RefusableCall& call : calls) numbers.push_back(call.number);
  if (testing::WatchSystemCalls(numbers)) return;
  std::fputs("the kernel does not allow to watch system calls\n", stderr);
  _exit(125);
}

std::string ObeyRefusals(std::span<const RefusableCall> calls, const std::string& line) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command == "allow") {
    testing::RestartCounting();
    return "ok";
  }
  if (command == "count") {
    std::string counts;
    for (const RefusableCall& call : calls) {
      absl::StrAppend(&counts, testing::CallsOf(call.number), " ");
    }
    return counts;
  }
  if (command == "left") {
    return absl::StrCat(Descriptors(), " ", ThreadsOfOurs(), " ", MappingsOfFiles());
  }
  if (command != "refuse") return "";
  std::string name, often;
  int nth = 0, error = 0;
  words >> name >> nth >> error >> often;
  const auto call = std::find_if(calls.begin(), calls.end(),
                                 [&](const RefusableCall& one) { return one.name == name; });
  if (!words || call == calls.end()) return absl::StrCat("cannot refuse: ", line);
  testing::RestartCounting();
  testing::RefuseCall(call->number, nth, error, often == "ever");
  return "ok";
}

}  // namespace causeway::faults
