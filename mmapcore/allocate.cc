#include "mmapcore/allocate.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/file_range.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

// fallocate() of the range; 0, or the errno. On tmpfs a pending signal ends the call with EINTR and
// frees what it had reserved, so repeating the same call need never end under a busy timer. A call
// that was interrupted is therefore repeated at half the length, and the length doubles again after
// each success.
int Reserve(int fd, uint64_t offset, uint64_t length) {
  constexpr int kMaxInterruptions = 1000;  // In a row, without any progress.
  const uint64_t end = offset + length;
  uint64_t piece = length;
  int interruptions = 0;
  while (offset < end) {
    piece = std::min(piece, end - offset);
    if (fallocate(fd, /*mode=*/0, static_cast<off_t>(offset), static_cast<off_t>(piece)) == 0) {
      offset += piece;
      piece = piece * 2;
      interruptions = 0;
    } else if (errno == EINTR && ++interruptions < kMaxInterruptions) {
      piece = std::max(RoundDownToPage(piece / 2), PageSize());
    } else {
      return errno;
    }
  }
  return 0;
}

std::string DescribeSpace(const MappedFile& file, uint64_t needed) {
  struct statvfs file_system;
  if (fstatvfs(file.fd(), &file_system) != 0) return absl::StrCat("needed ", needed, " bytes");
  return absl::StrCat("needed ", needed, " bytes, free ",
                      uint64_t{file_system.f_bavail} * file_system.f_frsize,
                      " bytes; free space on the file system, raise its size or quota, or choose "
                      "another");
}

// The rules. The file's size, if none is broken.
absl::StatusOr<uint64_t> CheckAllocation(const MappedFile& file, uint64_t offset, uint64_t length) {
  absl::Status status = CheckExtent("fallocate", file.label(), offset, length);
  if (!status.ok()) return status;
  if (file.protection() != Protection::kReadWrite) {
    return absl::PermissionDeniedError(absl::StrCat(
        RefusedRange("fallocate", file.label(), offset, length), ": the descriptor is read-only"));
  }
  absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok() || offset + length <= *size) return size;
  status = CheckFileSizeLimit("fallocate", file.label(), offset + length);
  if (!status.ok()) return status;
  return size;
}

}  // namespace

absl::Status AllocateExtent(MappedFile& file, uint64_t offset, uint64_t length) {
  const absl::StatusOr<uint64_t> former_size = CheckAllocation(file, offset, length);
  if (!former_size.ok()) return former_size.status();
  const bool grows = offset + length > *former_size;

  const int error = Reserve(file.fd(), offset, length);
  if (error == 0) return absl::OkStatus();
  // Cutting the file at its former size frees what was reserved behind it, even where the size has
  // not changed yet. Free space is measured after that: it is what the caller has to work with.
  absl::Status restored = grows ? file.Resize(*former_size) : absl::OkStatus();
  std::string advice;
  if (error == ENOSPC || error == EDQUOT) advice = DescribeSpace(file, length);
  if (!restored.ok()) {
    absl::StrAppend(&advice, advice.empty() ? "" : "; ",
                    "the file could not be cut back to its former size: ", restored.message());
  }
  return StatusFromErrno(error, {.operation = "fallocate",
                                 .path = file.label(),
                                 .offset = offset,
                                 .length = length,
                                 .advice = advice});
}

absl::Status PopulateExtent(const MappedFile& file, uint64_t offset, uint64_t length) {
  absl::Status status = CheckExtent("populating", file.label(), offset, length);
  if (!status.ok()) return status;
  return Mapping::Map(file, offset, length,
                      {.protection = Protection::kReadWrite, .populate = Populate::kForWriting})
      .status();
}

absl::Status AllocatePages(MappedFile& file, uint64_t offset, uint64_t length,
                           PageSizes page_sizes) {
  const absl::StatusOr<uint64_t> former_size = CheckAllocation(file, offset, length);
  if (!former_size.ok()) return former_size.status();
  // fallocate() knows no wishes. So pages are made by populating a hole, through a mapping that has
  // them; where memory runs out, that is an error and no signal.
  const bool grows = offset + length > *former_size;
  absl::Status status = grows ? file.Resize(offset + length) : absl::OkStatus();
  if (!status.ok()) return status;
  status = Mapping::Map(file, offset, length,
                        {.protection = Protection::kReadWrite,
                         .populate = Populate::kForWriting,
                         .page_sizes = page_sizes})
               .status();
  // What is populated is reserved: nothing is left to do, if the file system keeps to that.
  if (status.ok()) status = AllocateExtent(file, offset, length);
  if (status.ok() || !grows) return status;
  const absl::Status restored = file.Resize(*former_size);
  std::string message(status.message());
  if (absl::IsResourceExhausted(status)) {
    // What is free now is what the caller has to work with.
    message = absl::StrCat(RefusedRange("allocating", file.label(), offset, length), ": ",
                           DescribeSpace(file, length));
  }
  if (!restored.ok()) {
    absl::StrAppend(&message,
                    "; the file could not be cut back to its former size: ", restored.message());
  }
  return absl::Status(status.code(), message);
}

}  // namespace causeway
