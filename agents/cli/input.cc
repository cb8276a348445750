#include "agents/cli/input.h"

#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/page.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {
namespace {

struct LargestFile {
  std::string path = "/proc/self/exe";
  off_t size = 0;
};

// For dl_iterate_phdr(): the program itself comes first, with an empty name.
int KeepLarger(dl_phdr_info* info, size_t, void* context) {
  auto* largest = static_cast<LargestFile*>(context);
  struct stat attributes;
  if (info->dlpi_name[0] == '/' && stat(info->dlpi_name, &attributes) == 0 &&
      attributes.st_size > largest->size) {
    *largest = {info->dlpi_name, attributes.st_size};
  }
  return 0;
}

absl::Status IsADirectory(absl::string_view path) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is a directory; name a file, or - for standard input"));
}

}  // namespace

absl::StatusOr<UniqueFd> OpenInput(const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(
        "the input's path is empty; name a file, or - for standard input");
  }
  UniqueFd fd(path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                          : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return StatusFromErrno(errno, {.operation = "open", .path = path});
  }
  struct stat attributes;
  if (fstat(fd.get(), &attributes) == 0 && S_ISDIR(attributes.st_mode)) return IsADirectory(path);
  return fd;
}

std::optional<uint64_t> InputSize(int fd) {
  struct stat attributes;
  if (fstat(fd, &attributes) != 0 || !S_ISREG(attributes.st_mode)) return std::nullopt;
  const off_t begin = lseek(fd, 0, SEEK_CUR);
  if (begin < 0 || begin >= attributes.st_size) return std::nullopt;
  return static_cast<uint64_t>(attributes.st_size - begin);
}

std::string LargestLoadedLibrary() {
  LargestFile largest;
  dl_iterate_phdr(KeepLarger, &largest);
  return largest.path;
}

absl::StatusOr<Input> Input::FromFd(UniqueFd fd, std::string label) {
  struct stat attributes;
  if (fstat(fd.get(), &attributes) != 0) {
    return StatusFromErrno(errno, {.operation = "fstat", .path = label});
  }
  if (S_ISDIR(attributes.st_mode)) return IsADirectory(label);
  Input input(std::move(label));
  input.size_ = InputSize(fd.get());
  if (!input.size_.has_value()) {
    input.fd_ = std::move(fd);
    return input;
  }

  const auto begin = static_cast<uint64_t>(lseek(fd.get(), 0, SEEK_CUR));
  input.skip_ = begin - RoundDownToPage(begin);
  if (absl::Status status = SigbusGuard::Install(); !status.ok()) return status;
  absl::StatusOr<MappedFile> file = MappedFile::FromFd(std::move(fd), input.label_);
  if (!file.ok()) return file.status();
  absl::StatusOr<Mapping> mapping =
      Mapping::Map(*file, begin - input.skip_, input.skip_ + *input.size_, {.guarded = true});
  if (!mapping.ok()) return mapping.status();
  input.mapping_ = *std::move(mapping);
  input.mapping_.Advise(0, input.mapping_.length(), Advice::kSequential).IgnoreError();
  return input;
}

absl::StatusOr<size_t> Input::Read(std::span<std::byte> destination) {
  if (!size_.has_value()) {
    ssize_t got = 0;
    do {
      got = read(fd_.get(), destination.data(), destination.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) return StatusFromErrno(errno, {.operation = "read", .path = label_});
    return static_cast<size_t>(got);
  }
  const size_t length = std::min<uint64_t>(destination.size(), *size_ - position_);
  std::memcpy(destination.data(), mapping_.data() + skip_ + position_, length);
  if (mapping_.damaged()) return mapping_.damage();
  position_ += length;
  return length;
}

}  // namespace causeway
