#include "mmapcore/testing/small_filesystem.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/page.h"
#include "mmapcore/unique_fd.h"

extern char** environ;

namespace causeway::testing {
namespace {

absl::Status Missing(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": ", strerror(errno)));
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() ||
      write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Missing(absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

absl::Status EnterOwnMountNamespace() {
  if (unshare(CLONE_NEWNS) != 0) {
    const uid_t uid = getuid();
    const gid_t gid = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
      return Missing("no mount namespace without root or user namespaces");
    }
    absl::Status status = WriteFile("/proc/self/setgroups", "deny");
    if (status.ok()) status = WriteFile("/proc/self/uid_map", absl::StrCat("0 ", uid, " 1"));
    if (status.ok()) status = WriteFile("/proc/self/gid_map", absl::StrCat("0 ", gid, " 1"));
    if (!status.ok()) return status;
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return Missing("cannot make the mounts of this process private");
  }
  return absl::OkStatus();
}

// Runs a program to its end. Its output goes where the test's goes.
absl::Status Run(const std::vector<std::string>& command_line) {
  std::vector<char*> arguments;
  for (const std::string& argument : command_line) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  const std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {const_cast<char*>(path.c_str()), nullptr};
  pid_t pid = 0;
  errno = posix_spawn(&pid, arguments[0], nullptr, nullptr, arguments.data(), environment);
  if (errno != 0) return Missing(absl::StrCat("cannot run ", command_line[0]));
  int status = 0;
  waitpid(pid, &status, 0);
  if (status == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(absl::StrJoin(command_line, " "), " failed"));
}

absl::Status MountTmpfs(const std::string& target, uint64_t size_bytes, const char* more) {
  const std::string options = absl::StrCat("size=", size_bytes, more);
  if (mount("tmpfs", target.c_str(), "tmpfs", MS_NODEV | MS_NOSUID, options.c_str()) != 0) {
    return Missing("cannot mount a tmpfs");
  }
  return absl::OkStatus();
}

absl::Status MountExt4(const std::string& image, const std::string& target, uint64_t size_bytes) {
  UniqueFd fd(open(image.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid() || ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) {
    return Missing(absl::StrCat("cannot make ", image));
  }
  // No journal and no blocks kept for root: what statvfs() calls free is what files can take.
  absl::Status status = Run(
      {"/usr/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal", image});
  if (status.ok()) status = Run({"/usr/bin/mount", "-t", "ext4", "-o", "loop", image, target});
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SmallFilesystem>> SmallFilesystem::Mount(Kind kind,
                                                                        uint64_t size_bytes) {
  static const absl::Status* const entered = new absl::Status(EnterOwnMountNamespace());
  if (!entered->ok()) return *entered;
  std::unique_ptr<SmallFilesystem> small(new SmallFilesystem);
  if (mkdir(small->path().c_str(), 0700) != 0) return Missing("cannot make the mount point");
  const std::string path = small->path();
  absl::Status status;
  switch (kind) {
    case Kind::kTmpfs:
      status = MountTmpfs(path, size_bytes, "");
      break;
    case Kind::kHugeTmpfs:
      status = MountTmpfs(path, size_bytes, ",huge=always");
      break;
    case Kind::kHugeOnAdviceTmpfs:
      status = MountTmpfs(path, size_bytes, ",huge=advise");
      break;
    case Kind::kExt4:
      status = MountExt4(small->scratch_.File("image"), path, size_bytes);
      break;
  }
  if (!status.ok()) return status;
  return small;
}

SmallFilesystem::~SmallFilesystem() { umount2(path().c_str(), MNT_DETACH); }

uint64_t SmallFilesystem::FreeBytes() const {
  struct statvfs space;
  if (statvfs(path().c_str(), &space) != 0) return 0;
  return uint64_t{space.f_bavail} * space.f_frsize;
}

absl::Status SmallFilesystem::FillUntilFree(uint64_t bytes) {
  const std::string filler = File(absl::StrCat("filler", fillers_++));
  UniqueFd fd(open(filler.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return StatusFromErrno(errno, {.operation = "open", .path = filler});
  // Page by page at the end: a file system takes blocks for its own bookkeeping on the way.
  uint64_t end = 0;
  for (uint64_t free = FreeBytes(); free > bytes; free = FreeBytes()) {
    const uint64_t more = std::max(RoundDownToPage((free - bytes) / 2), PageSize());
    if (fallocate(fd.get(), 0, static_cast<off_t>(end), static_cast<off_t>(more)) != 0) {
      return StatusFromErrno(errno, {.operation = "fallocate", .path = filler});
    }
    end += more;
  }
  return absl::OkStatus();
}

std::string Name(SmallFilesystem::Kind kind) {
  switch (kind) {
    case SmallFilesystem::Kind::kTmpfs:
      return "Tmpfs";
    case SmallFilesystem::Kind::kHugeTmpfs:
      return "HugeTmpfs";
    case SmallFilesystem::Kind::kHugeOnAdviceTmpfs:
      return "HugeOnAdviceTmpfs";
    case SmallFilesystem::Kind::kExt4:
      return "Ext4";
  }
  return "Unknown";
}

}  // namespace causeway::testing
