#include "mmapcore/testing/refusal_trial.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/nth_system_call.h"
#include "mmapcore/testing/scratch_directory.h"

namespace causeway::testing {
namespace {

struct Refusable {
  long number;
  const char* name;
  std::vector<int> errors;
};

// EINTR is refused once only: to repeat for ever is right.
const std::vector<Refusable>& Refusables() {
  static const auto* const all = new std::vector<Refusable>{
      {SYS_openat, "openat", {EMFILE, ENOSPC, EIO}},
      {SYS_fallocate, "fallocate", {ENOSPC, EIO, EINTR}},
      {SYS_ftruncate, "ftruncate", {EIO, EINTR}},
      {SYS_mmap, "mmap", {ENOMEM}},
      {SYS_munmap, "munmap", {ENOMEM}},
      {SYS_madvise, "madvise", {ENOMEM, EIO, EINTR}},
      {SYS_msync, "msync", {EIO}},
      {SYS_fsync, "fsync", {EIO, ENOSPC}},
      {SYS_fdatasync, "fdatasync", {EIO, ENOSPC}},
      {SYS_pwrite64, "pwrite64", {ENOSPC, EIO}},
      {SYS_pread64, "pread64", {EIO}},
      {SYS_rename, "rename", {EIO, ENOSPC}},
      {SYS_unlink, "unlink", {EIO}},
      {SYS_fcntl, "fcntl", {EMFILE}},
      {SYS_memfd_create, "memfd_create", {EMFILE, ENOMEM}},
      {SYS_eventfd2, "eventfd2", {EMFILE}},
      {SYS_epoll_ctl, "epoll_ctl", {ENOSPC, ENOMEM}},
      {SYS_epoll_create1, "epoll_create1", {EMFILE}},
  };
  return *all;
}

// What a child says, in memory shared with its parent.
struct Report {
  std::array<int, 32> calls;
  bool ended;
  char wrong[1000];
};

int EntriesOf(const char* directory) {
  const std::filesystem::directory_iterator entries(directory);
  return static_cast<int>(std::distance(begin(entries), end(entries)));
}

int MappingsOf(const std::string& directory) {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(directory) != std::string::npos) ++count;
  }
  return count;
}

std::map<std::string, uintmax_t> FilesIn(const std::string& directory) {
  std::map<std::string, uintmax_t> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    files[entry.path().filename()] = entry.is_regular_file() ? entry.file_size() : 0;
  }
  return files;
}

struct Left {
  int descriptors = EntriesOf("/proc/self/fd");
  int threads = EntriesOf("/proc/self/task");
};

// What is wrong with what a refusal led to; empty: nothing.
std::string Judge(const RefusalTrial& trial, const std::string& directory, long refused,
                  const std::function<void()>& arm) {
  const Left before;
  const int mapped = MappingsOf(directory);
  const std::map<std::string, uintmax_t> files = FilesIn(directory);
  arm();
  const absl::Status status = trial.run();
  RestartCounting();
  const Left after;
  if (after.descriptors != before.descriptors) {
    return absl::StrCat(after.descriptors - before.descriptors, " descriptors are left after ",
                        status.ToString());
  }
  if (after.threads != before.threads) return "a thread is left";
  // A mapping that cannot be unmapped stays.
  if (refused != SYS_munmap && MappingsOf(directory) != mapped) {
    return absl::StrCat("a mapping is left after ", status.ToString());
  }
  if (status.ok()) return trial.done() ? "" : "it is said to be done, and is not";
  if (status.code() == absl::StatusCode::kUnknown || status.code() == absl::StatusCode::kInternal ||
      status.message().empty()) {
    return absl::StrCat("an unclear status: ", status.ToString());
  }
  if (!trial.may_leave_files && FilesIn(directory) != files) {
    return absl::StrCat("the directory has changed after ", status.ToString());
  }
  const absl::Status again = trial.run();
  if (!again.ok()) {
    return absl::StrCat("after ", status.ToString(),
                        " it fails again, unrefused: ", again.ToString());
  }
  return trial.done() ? "" : "done again, it is not done";
}

// Runs `body` in a child. Returns false if it ended by a signal or too early.
bool InChild(Report* report, const std::function<void()>& body) {
  *report = {};
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    report->ended = true;
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return report->ended;
}

void Watch() {
  std::vector<long> numbers;
  for (const Refusable& one : Refusables()) numbers.push_back(one.number);
  if (!WatchSystemCalls(numbers)) _exit(3);
}

}  // namespace

int TryEachRefusal(const std::string& name,
                   const std::function<RefusalTrial(const std::string& directory)>& prepare) {
  auto* const report = static_cast<Report*>(
      mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const bool counted = InChild(report, [&] {
    const ScratchDirectory directory;
    const RefusalTrial trial = prepare(directory.path());
    Watch();
    RestartCounting();
    const absl::Status status = trial.run();
    for (size_t i = 0; i < Refusables().size(); ++i) {
      report->calls[i] = CallsOf(Refusables()[i].number);
    }
    const std::string wrong = status.ok() && trial.done() ? "" : status.ToString();
    std::snprintf(report->wrong, sizeof(report->wrong), "%s", wrong.c_str());
  });
  EXPECT_TRUE(counted) << name << ", with nothing refused";
  EXPECT_STREQ(report->wrong, "") << name << ", with nothing refused";
  const std::array<int, 32> calls = report->calls;

  int tried = 0;
  for (size_t i = 0; i < Refusables().size(); ++i) {
    const Refusable& one = Refusables()[i];
    for (int nth = 1; nth <= calls[i]; ++nth) {
      for (const int error : one.errors) {
        for (const bool for_ever : {false, true}) {
          if (for_ever && error == EINTR) continue;
          ++tried;
          const std::string what =
              absl::StrCat(name, ": ", one.name, " call ", nth, " of ", calls[i],
                           for_ever ? " and later" : "", " fails: ", strerror(error));
          const bool ended = InChild(report, [&] {
            const ScratchDirectory directory;
            const RefusalTrial trial = prepare(directory.path());
            Watch();
            const std::string wrong = Judge(trial, directory.path(), one.number, [&] {
              RestartCounting();
              RefuseCall(one.number, nth, error, for_ever);
            });
            std::snprintf(report->wrong, sizeof(report->wrong), "%s", wrong.c_str());
          });
          EXPECT_TRUE(ended) << what << ": the process did not live";
          EXPECT_STREQ(report->wrong, "") << what;
        }
      }
    }
  }
  munmap(report, sizeof(Report));
  return tried;
}

}  // namespace causeway::testing
