#include "tests/faults/crash_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace causeway::faults {

CrashLog::CrashLog(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  void* page = MAP_FAILED;
  if (fd >= 0 && ftruncate(fd, sizeof(CrashLogPage)) == 0) {
    page = mmap(nullptr, sizeof(CrashLogPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (page == MAP_FAILED) {
    std::perror(path.c_str());
    std::exit(1);
  }
  close(fd);
  page_ = static_cast<CrashLogPage*>(page);
}

CrashLog::~CrashLog() { munmap(page_, sizeof(CrashLogPage)); }

void CrashLog::Write(CrashRecord record) {
  const uint64_t written = page_->written.load(std::memory_order_relaxed);
  // Acquire: the test has copied the record that is overwritten.
  while (written - page_->read.load(std::memory_order_acquire) == CrashLogPage::kRecords) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  if (record.nanos == 0) record.nanos = Deadline::NowNanos();
  page_->records[written % CrashLogPage::kRecords] = record;
  page_->written.store(written + 1, std::memory_order_release);
}

CrashRecord CrashLog::Next() {
  const uint64_t read = page_->read.load(std::memory_order_relaxed);
  const CrashRecord record = page_->records[read % CrashLogPage::kRecords];
  page_->read.store(read + 1, std::memory_order_release);
  return record;
}

}  // namespace causeway::faults
