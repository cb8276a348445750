#include "tests/faults/crash_process.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace causeway::faults {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}

}  // namespace

std::string CrashingProgramPath(const std::string& name) {
  const std::string path = "tests/faults/crashing/" + name;
  // `bazel run` starts a program in its runfiles, `bazel test` says where they are.
  return std::getenv("TEST_SRCDIR") != nullptr ? TestProgram(path) : path;
}

CrashProgram::CrashProgram(std::string path) : path_(std::move(path)) {
  FILE* lines = popen(absl::StrCat(kCrashListVariable, "=1 '", path_, "'").c_str(), "r");
  if (lines == nullptr) Die(path_);
  char line[512];
  while (fgets(line, sizeof(line), lines) != nullptr) {
    const std::string place(line, std::string(line).find('\n'));
    places_.push_back(place);
    const std::string name = place.substr(0, place.find(' '));
    if (points_.empty() || points_.back() != name) points_.push_back(name);
  }
  if (pclose(lines) != 0 || points_.empty() || points_.size() > CrashPage::kSlots) {
    std::fprintf(stderr, "%s: %zu crash points; 1 to %zu were expected\n", path_.c_str(),
                 points_.size(), CrashPage::kSlots);
    std::exit(1);
  }
}

CrashProcess::CrashProcess(const CrashProgram& program, const std::vector<std::string>& arguments,
                           const std::string& page_path, const std::string& point,
                           int64_t countdown)
    : program_(program) {
  // A new file: whoever still has the old one goes on with that.
  unlink(page_path.c_str());
  const int fd = open(page_path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  void* page = MAP_FAILED;
  if (fd >= 0 && ftruncate(fd, sizeof(CrashPage)) == 0) {
    page = mmap(nullptr, sizeof(CrashPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (page == MAP_FAILED) Die(page_path);
  close(fd);
  page_ = static_cast<CrashPage*>(page);
  if (!point.empty()) Arm(point, countdown);

  std::vector<std::string> line = {"/usr/bin/env", absl::StrCat(kCrashPageVariable, "=", page_path),
                                   program.path()};
  line.insert(line.end(), arguments.begin(), arguments.end());
  process_ = std::make_unique<ChildProcess>(line);
  pid_ = process_->pid();
  pidfd_.Reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_.valid()) Die("pidfd_open");
}

CrashProcess::~CrashProcess() {
  process_.reset();
  munmap(page_, sizeof(CrashPage));
}

uint32_t CrashProcess::SlotOf(const std::string& point) const {
  const auto& points = program_.points();
  const auto found = std::lower_bound(points.begin(), points.end(), point);
  if (found == points.end() || *found != point) {
    std::fprintf(stderr, "%s has no crash point %s\n", program_.path().c_str(), point.c_str());
    std::exit(1);
  }
  return static_cast<uint32_t>(found - points.begin()) + 1;
}

void CrashProcess::Arm(const std::string& point, int64_t countdown) {
  last_armed_ = point;
  page_->countdown.store(countdown, std::memory_order_relaxed);
  page_->armed.store(SlotOf(point), std::memory_order_release);
}

void CrashProcess::Slow(const std::string& point) {
  page_->slow.store(point.empty() ? 0 : SlotOf(point), std::memory_order_relaxed);
}

void CrashProcess::Disarm() { page_->armed.store(0, std::memory_order_release); }

bool CrashProcess::AwaitDeath(absl::Duration timeout) {
  pollfd end = {pidfd_.get(), POLLIN, 0};
  return poll(&end, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) == 1;
}

std::vector<uint64_t> CrashProcess::passings() const {
  std::vector<uint64_t> passings(program_.points().size());
  for (size_t slot = 0; slot < passings.size(); ++slot) {
    passings[slot] = page_->passings[slot].load(std::memory_order_relaxed);
  }
  return passings;
}

}  // namespace causeway::faults
