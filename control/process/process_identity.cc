#include "control/process/process_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

constexpr size_t kBootIdLength = 36;

// Field 3 of /proc/<pid>/stat is the first after the command's name; the start time is field 22.
constexpr size_t kStartTimeAfterName = 22 - 3;

// Files of /proc are made up when they are read: one read() of ample size sees one state.
absl::StatusOr<std::string> ReadProcFile(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return StatusFromErrno(errno, {.operation = "open", .path = path});
  }
  char buffer[4096];
  ssize_t count;
  do {
    count = read(file.get(), buffer, sizeof(buffer));
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    const int error = errno;
    if (error == ESRCH) return absl::NotFoundError(absl::StrCat(path, ": the process has ended"));
    return StatusFromErrno(error, {.operation = "read", .path = path});
  }
  return std::string(buffer, static_cast<size_t>(count));
}

}  // namespace

absl::StatusOr<std::string> ReadBootId() {
  constexpr char kPath[] = "/proc/sys/kernel/random/boot_id";
  absl::StatusOr<std::string> text = ReadProcFile(kPath);
  if (!text.ok()) return text.status();
  std::string boot_id(absl::StripAsciiWhitespace(*text));
  if (boot_id.size() != kBootIdLength) {
    return absl::UnavailableError(absl::StrCat(kPath, " holds ", boot_id.size(),
                                               " characters where a boot id has ", kBootIdLength,
                                               "; is /proc the kernel's own?"));
  }
  return boot_id;
}

absl::StatusOr<uint64_t> ReadPidNamespace() {
  constexpr char kPath[] = "/proc/self/ns/pid";
  struct stat attributes;
  if (stat(kPath, &attributes) != 0) {
    return StatusFromErrno(errno, {.operation = "stat", .path = kPath});
  }
  return attributes.st_ino;
}

absl::StatusOr<uint64_t> ParseStartTicks(std::string_view stat) {
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) {
    return absl::DataLossError("a process's stat has no command name in parentheses");
  }
  stat.remove_prefix(name_end + 1);
  const std::vector<absl::string_view> fields = absl::StrSplit(
      absl::string_view(stat.data(), stat.size()), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  uint64_t ticks;
  if (fields.size() <= kStartTimeAfterName ||
      !absl::SimpleAtoi(fields[kStartTimeAfterName], &ticks)) {
    return absl::DataLossError("a process's stat has no start time in field 22");
  }
  return ticks;
}

absl::StatusOr<uint64_t> ReadStartTicks(pid_t pid) {
  if (pid <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("pid ", pid, " names no process"));
  }
  absl::StatusOr<std::string> stat = ReadProcFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!stat.ok()) return stat.status();
  return ParseStartTicks(*stat);
}

absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid) {
  absl::StatusOr<std::string> boot_id = ReadBootId();
  if (!boot_id.ok()) return boot_id.status();
  absl::StatusOr<uint64_t> pid_namespace = ReadPidNamespace();
  if (!pid_namespace.ok()) return pid_namespace.status();
  absl::StatusOr<uint64_t> start_ticks = ReadStartTicks(pid);
  if (!start_ticks.ok()) return start_ticks.status();
  return ProcessIdentity{.boot_id = *std::move(boot_id),
                         .pid_namespace = *pid_namespace,
                         .pid = pid,
                         .start_ticks = *start_ticks};
}

}  // namespace causeway
