#include "control/directory/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

// A holder removes the file before it lets go, so a lock may turn out to be of a file that is gone.
constexpr int kAttempts = 100;

std::string HolderOf(int file) {
  char text[32];
  const ssize_t count = pread(file, text, sizeof(text), 0);
  int64_t pid;
  if (count > 0 &&
      absl::SimpleAtoi(
          absl::StripAsciiWhitespace(absl::string_view(text, static_cast<size_t>(count))), &pid)) {
    return absl::StrCat("the process with pid ", pid);
  }
  return "another process";
}

bool IsStillAt(int file, const std::string& path) {
  struct stat held, found;
  return fstat(file, &held) == 0 && stat(path.c_str(), &found) == 0 &&
         held.st_ino == found.st_ino && held.st_dev == found.st_dev;
}

// A new lock file that nobody finds unlocked: it gets its name once it is locked. Invalid if there
// is one already, or if that cannot be done here.
UniqueFd MakeLocked(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/'));
  UniqueFd file(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file.valid() || flock(file.get(), LOCK_EX | LOCK_NB) != 0) return UniqueFd();
  const std::string nameless = absl::StrCat("/proc/self/fd/", file.get());
  if (linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return UniqueFd();
  }
  return file;
}

}  // namespace

absl::StatusOr<DirectoryLock> DirectoryLock::Take(const std::string& path) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    UniqueFd file = MakeLocked(path);
    if (!file.valid()) {
      file.Reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    }
    if (!file.valid()) return StatusFromErrno(errno, {.operation = "open", .path = path});
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) {
        return StatusFromErrno(errno, {.operation = "flock", .path = path});
      }
      return absl::AlreadyExistsError(absl::StrCat(
          HolderOf(file.get()), " holds ", path,
          ": a coordinator serves this directory already; use it, stop it, or choose another"));
    }
    if (!IsStillAt(file.get(), path)) continue;

    const std::string holder = absl::StrCat(getpid(), "\n");
    if (ftruncate(file.get(), 0) != 0 || pwrite(file.get(), holder.data(), holder.size(), 0) !=
                                             static_cast<ssize_t>(holder.size())) {
      return StatusFromErrno(errno, {.operation = "write", .path = path});
    }
    return DirectoryLock(std::move(file), path);
  }
  return absl::UnavailableError(
      absl::StrCat(path, " was replaced ", kAttempts, " times while it was being locked"));
}

DirectoryLock::~DirectoryLock() {
  if (file_.valid() && IsStillAt(file_.get(), path_)) unlink(path_.c_str());
}

}  // namespace causeway
