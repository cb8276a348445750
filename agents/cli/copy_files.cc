#include "agents/cli/copy_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/allocate.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(absl::string_view operation, const std::string& path) {
  return StatusFromErrno(errno, {.operation = operation, .path = path});
}

// A link that names the descriptor: how an unnamed file gets a name without CAP_DAC_READ_SEARCH.
std::string DescriptorPath(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

// A name in `path`'s directory that nobody has: hidden, and telling whose it is.
std::string HiddenName(const fs::path& path, int attempt) {
  // Room for what is added, so that a target with the longest name that is allowed can be copied.
  const std::string name = path.filename().string().substr(0, NAME_MAX - 48);
  return path.parent_path() / absl::StrCat(".", name, ".causeway-", getpid(), "-", attempt);
}

constexpr int kNameAttempts = 100;

// Tries hidden names until `take` (returning 0 or -1 with errno) has taken one.
template <typename Take>
absl::StatusOr<std::string> TakeHiddenName(const fs::path& path, absl::string_view operation,
                                           Take take) {
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    std::string name = HiddenName(path, attempt);
    if (take(name) == 0) return name;
    if (errno != EEXIST) return Failed(operation, name);
  }
  return absl::AlreadyExistsError(absl::StrCat("all hidden names like ", HiddenName(path, 0),
                                               " are taken; remove them if no copy is running"));
}

// Where the bytes will be: directories and links resolved.
absl::StatusOr<fs::path> ResolveTarget(const CopySource& source, const std::string& typed) {
  if (typed.empty()) return absl::InvalidArgumentError("the target's path is empty");
  std::error_code error;
  fs::path path(typed);
  if (fs::is_directory(path, error)) path /= fs::path(source.path()).filename();
  // A dangling link is resolved too: its target is what is to be made.
  fs::path resolved = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) {
    errno = error.value();
    return Failed("resolving", path.string());
  }
  if (!resolved.has_filename()) {
    return absl::InvalidArgumentError(
        absl::StrCat(typed, " names a directory that does not exist; create it first"));
  }
  return resolved;
}

absl::Status CheckReplaceable(const CopySource& source, const fs::path& path) {
  struct stat old;
  if (stat(path.c_str(), &old) != 0) {
    return errno == ENOENT ? absl::OkStatus() : Failed("stat", path.string());
  }
  if (old.st_dev == source.status().st_dev && old.st_ino == source.status().st_ino) {
    return absl::InvalidArgumentError(
        absl::StrCat(source.path(), " and ", path.string(), " are the same file"));
  }
  if (!S_ISREG(old.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), " exists and is not a regular file; copy writes only those"));
  }
  return absl::OkStatus();
}

mode_t Umask() {
  const mode_t mask = umask(0);
  umask(mask);
  return mask;
}

// The file behind a descriptor that stays its owner's.
absl::StatusOr<MappedFile> SameFile(int fd, const std::string& path) {
  return MappedFile::FromFd(UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)), path);
}

// The mapped window at `offset` of a file that somebody else may be shortening.
absl::StatusOr<Mapping> MapWindow(int fd, const std::string& path, uint64_t offset,
                                  uint64_t length) {
  const absl::StatusOr<MappedFile> file = SameFile(fd, path);
  if (!file.ok()) return file.status();
  absl::StatusOr<Mapping> mapping = Mapping::Map(*file, offset, length, {.guarded = true});
  if (absl::IsOutOfRange(mapping.status())) {
    return absl::AbortedError(absl::StrCat(path, " was shortened while it was compared"));
  }
  return mapping;
}

constexpr uint64_t kCompareBytes = uint64_t{64} << 20;

}  // namespace

absl::StatusOr<CopySource> CopySource::Open(const std::string& path) {
  // O_NONBLOCK: a pipe without a writer is refused, not waited for.
  UniqueFd fd(
      RepeatIfInterrupted([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
  if (!fd.valid()) return Failed("open", path);
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return Failed("fstat", path);
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, S_ISDIR(status.st_mode) ? " is a directory" : " is not a regular file",
                     "; copy takes one regular file"));
  }
  return CopySource(std::move(fd), path, status);
}

absl::Status CopySource::CheckUnchanged() const {
  struct stat now;
  if (fstat(fd(), &now) != 0) return Failed("fstat", path_);
  if (now.st_size == status_.st_size && now.st_mtim.tv_sec == status_.st_mtim.tv_sec &&
      now.st_mtim.tv_nsec == status_.st_mtim.tv_nsec) {
    return absl::OkStatus();
  }
  return absl::AbortedError(absl::StrCat(path_, " was changed while it was copied (it had ",
                                         status_.st_size, " bytes and has ", now.st_size,
                                         "); copy it again when nobody writes to it"));
}

absl::StatusOr<CopyTarget> CopyTarget::Create(const CopySource& source, const std::string& typed) {
  absl::StatusOr<fs::path> path = ResolveTarget(source, typed);
  if (!path.ok()) return path.status();
  if (absl::Status status = CheckReplaceable(source, *path); !status.ok()) return status;

  const std::string directory = path->parent_path().string();
  UniqueFd unnamed(RepeatIfInterrupted(
      [&] { return open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }));
  if (unnamed.valid()) return CopyTarget(std::move(unnamed), path->string(), "");
  if (errno != EOPNOTSUPP && errno != EISDIR) return Failed("creating a file in", directory);

  UniqueFd named;
  absl::StatusOr<std::string> hidden =
      TakeHiddenName(*path, "creating", [&named](const std::string& name) {
        named = UniqueFd(RepeatIfInterrupted(
            [&] { return open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600); }));
        return named.valid() ? 0 : -1;
      });
  if (!hidden.ok()) return hidden.status();
  return CopyTarget(std::move(named), path->string(), *std::move(hidden));
}

CopyTarget::~CopyTarget() {
  if (fd_.valid() && !hidden_path_.empty()) unlink(hidden_path_.c_str());
}

absl::Status CopyTarget::Allocate(uint64_t size) {
  if (size == 0) return absl::OkStatus();
  absl::StatusOr<MappedFile> file = SameFile(fd(), path_);
  if (!file.ok()) return file.status();
  const std::optional<uint64_t> whole_pages = RoundUpToPage(size);
  if (!whole_pages) return absl::OutOfRangeError(absl::StrCat(size, " bytes are no file's size"));
  absl::Status status = AllocateExtent(*file, 0, *whole_pages);
  if (!status.ok()) return status;
  return file->Resize(size);
}

absl::Status CopyTarget::Publish(const CopySource& source, bool preserve) {
  const struct stat& from = source.status();
  mode_t mode = from.st_mode & 0777 & ~Umask();
  if (preserve) {
    // Set-id bits are only worth keeping with the owner that they speak of.
    mode = from.st_mode & 07777;
    if (fchown(fd(), from.st_uid, from.st_gid) != 0) {
      if (errno != EPERM) return Failed("fchown", path_);
      mode &= 0777;
    }
  }
  if (fchmod(fd(), mode) != 0) return Failed("fchmod", path_);
  if (preserve) {
    const timespec times[] = {from.st_atim, from.st_mtim};
    if (futimens(fd(), times) != 0) return Failed("futimens", path_);
  }

  std::string name = hidden_path_;
  if (name.empty()) {
    const std::string self = DescriptorPath(fd());
    const auto link_as = [&](const std::string& as) {
      return linkat(AT_FDCWD, self.c_str(), AT_FDCWD, as.c_str(), AT_SYMLINK_FOLLOW);
    };
    if (link_as(path_) == 0) return absl::OkStatus();
    if (errno != EEXIST) return Failed("linkat", path_);
    // Something has the name: link() cannot replace it, rename() can.
    absl::StatusOr<std::string> hidden = TakeHiddenName(path_, "linkat", link_as);
    if (!hidden.ok()) return hidden.status();
    name = hidden_path_ = *std::move(hidden);
  }
  if (rename(name.c_str(), path_.c_str()) != 0) return Failed("rename", path_);
  hidden_path_.clear();
  return absl::OkStatus();
}

absl::Status CompareBytes(const CopySource& source, const CopyTarget& target) {
  if (absl::Status status = SigbusGuard::Install(); !status.ok()) return status;
  for (uint64_t offset = 0; offset < source.size(); offset += kCompareBytes) {
    const uint64_t length = std::min(kCompareBytes, source.size() - offset);
    const absl::StatusOr<Mapping> from = MapWindow(source.fd(), source.path(), offset, length);
    if (!from.ok()) return from.status();
    const absl::StatusOr<Mapping> to = MapWindow(target.fd(), target.path(), offset, length);
    if (!to.ok()) return to.status();
    const auto difference = std::mismatch(from->data(), from->data() + length, to->data());
    if (from->damaged()) return from->damage();
    if (to->damaged()) return to->damage();
    if (difference.first != from->data() + length) {
      return absl::DataLossError(absl::StrCat(
          target.path(), " differs from ", source.path(), " at offset ",
          offset + static_cast<uint64_t>(difference.first - from->data()),
          "; was the source written to meanwhile? Copy it again, and check the disk if not"));
    }
  }
  return absl::OkStatus();
}

}  // namespace causeway
