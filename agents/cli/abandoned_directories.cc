#include "agents/cli/abandoned_directories.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

constexpr std::string_view kPrefix = "causeway-job-";
constexpr size_t kDigits = 16;

bool IsJobDirectoryName(std::string_view name) {
  return name.size() == kPrefix.size() + kDigits && name.starts_with(kPrefix) &&
         std::all_of(name.begin() + kPrefix.size(), name.end(),
                     [](char c) { return absl::ascii_isxdigit(c) && !absl::ascii_isupper(c); });
}

// The lock of a dead coordinator's directory, taken; invalid if it is anything else.
UniqueFd TakeAbandonedLock(const std::string& path) {
  UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat attributes;
  if (!directory.valid() || fstat(directory.get(), &attributes) != 0 ||
      attributes.st_uid != geteuid()) {
    return UniqueFd();
  }
  UniqueFd lock(openat(directory.get(), "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!lock.valid() || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return UniqueFd();
  return lock;
}

}  // namespace

std::string NewJobDirectoryName() {
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) random = absl::GetCurrentTimeNanos();
  return absl::StrCat(std::string(kPrefix), absl::Hex(random, absl::kZeroPad16));
}

void CollectAbandonedDirectories(const std::string& parent) {
  std::error_code error;
  std::vector<std::filesystem::path> found;
  for (std::filesystem::directory_iterator entry(parent, error), end; !error && entry != end;
       entry.increment(error)) {
    if (IsJobDirectoryName(entry->path().filename().string())) found.push_back(entry->path());
  }
  for (const std::filesystem::path& path : found) {
    const UniqueFd lock = TakeAbandonedLock(path);
    if (lock.valid()) std::filesystem::remove_all(path, error);
  }
}

}  // namespace causeway
