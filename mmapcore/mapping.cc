#include "mmapcore/mapping.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/file_range.h"
#include "mmapcore/page.h"

// Absent from the headers of kernels before 5.14; the kernel that runs decides.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace causeway {
namespace {

// The rules on rights, which the kernel would answer with a bare EACCES.
absl::Status CheckRights(const MappedFile& file, uint64_t offset, uint64_t length,
                         const MappingOptions& options) {
  const bool writable = options.protection == Protection::kReadWrite;
  if (writable && options.sharing == Sharing::kShared &&
      file.protection() != Protection::kReadWrite) {
    return absl::PermissionDeniedError(absl::StrCat(
        RefusedRange("mmap", file.label(), offset, length),
        ": the descriptor is read-only, and a shared writable mapping needs one that may write; "
        "map it for reading, or privately"));
  }
  if (!writable && options.populate == Populate::kForWriting) {
    return absl::InvalidArgumentError(
        absl::StrCat(RefusedRange("mmap", file.label(), offset, length),
                     ": populating for writing needs a writable mapping"));
  }
  return absl::OkStatus();
}

// EFAULT says only that an access would have raised SIGBUS. The reasons differ in what the caller
// should do, so look for them.
absl::Status ExplainLostPages(const MappedFile& file, uint64_t offset, uint64_t length) {
  const std::string what = RefusedRange("populating", file.label(), offset, length);
  struct stat attributes;
  struct statvfs file_system;
  if (fstat(file.fd(), &attributes) != 0 || fstatvfs(file.fd(), &file_system) != 0) {
    return absl::DataLossError(absl::StrCat(what, ": the file cannot be examined any more"));
  }
  const uint64_t size = static_cast<uint64_t>(attributes.st_size);
  if (size < offset + length) {
    return absl::DataLossError(
        absl::StrCat(what, ": the file was truncated to ", size, " bytes meanwhile"));
  }
  const uint64_t allocated = static_cast<uint64_t>(attributes.st_blocks) * 512;
  if (allocated < size) {
    return absl::ResourceExhaustedError(absl::StrCat(
        what, ": the file has holes, and the file system or quota is full: needed at most ", length,
        " bytes, free ", uint64_t{file_system.f_bavail} * file_system.f_frsize,
        " bytes; free space, and allocate extents before mapping them"));
  }
  return absl::DataLossError(
      absl::StrCat(what, ": the device failed; treat the bytes as lost and check it (dmesg)"));
}

absl::Status PopulatePages(const MappedFile& file, void* begin, uint64_t mapped_length,
                           uint64_t offset, uint64_t length, Populate populate) {
  if (populate == Populate::kNone) return absl::OkStatus();
  const int advice = populate == Populate::kForWriting ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  if (RepeatIfInterrupted([&] { return madvise(begin, mapped_length, advice); }) == 0) {
    return absl::OkStatus();
  }
  if (errno == EFAULT) return ExplainLostPages(file, offset, length);
  if (errno == EINVAL) {  // The range is whole mapped pages, so it is the advice that is unknown.
    return absl::UnimplementedError(
        absl::StrCat(RefusedRange("populating", file.label(), offset, length),
                     ": the kernel does not know MADV_POPULATE; Linux 5.14 does"));
  }
  return StatusFromErrno(
      errno, {.operation = "populating", .path = file.label(), .offset = offset, .length = length});
}

void AdvisePageSizes(void* begin, uint64_t length, PageSizes page_sizes) {
  if (page_sizes == PageSizes::kDefault) return;
  // Fails where the kernel was built without huge pages: then all are small.
  madvise(begin, length, page_sizes == PageSizes::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int AdviceNumber(Advice advice) {
  switch (advice) {
    case Advice::kNormal:
      return MADV_NORMAL;
    case Advice::kSequential:
      return MADV_SEQUENTIAL;
    case Advice::kRandom:
      return MADV_RANDOM;
    case Advice::kWillNeed:
      return MADV_WILLNEED;
    case Advice::kDontNeed:
      return MADV_DONTNEED;
    case Advice::kHugePages:
      return MADV_HUGEPAGE;
    case Advice::kNoDump:
      return MADV_DONTDUMP;
  }
  return MADV_NORMAL;
}

}  // namespace

absl::StatusOr<Mapping> Mapping::Map(const MappedFile& file, uint64_t offset, uint64_t length,
                                     const MappingOptions& options) {
  absl::Status status = CheckRange("mmap", file.label(), offset, length);
  if (status.ok()) status = CheckRights(file, offset, length, options);
  if (!status.ok()) return status;
  absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok()) return size.status();
  if (offset + length > *size) {
    return absl::OutOfRangeError(absl::StrCat(RefusedRange("mmap", file.label(), offset, length),
                                              ": the range ends past the file's end at ", *size,
                                              " bytes"));
  }

  const uint64_t mapped_length = *RoundUpToPage(length);  // Fits: CheckRange() saw to it.
  const int sharing = options.sharing == Sharing::kShared ? MAP_SHARED : MAP_PRIVATE;
  void* const begin = mmap(/*addr=*/nullptr, mapped_length, ProtectionBits(options.protection),
                           sharing, file.fd(), static_cast<off_t>(offset));
  if (begin == MAP_FAILED) {
    const absl::string_view advice =
        errno == ENOMEM ? "unmap something, or raise vm.max_map_count or the process's address "
                          "space (ulimit -v)"
                        : "";
    return StatusFromErrno(errno, {.operation = "mmap",
                                   .path = file.label(),
                                   .offset = offset,
                                   .length = length,
                                   .advice = advice});
  }

  Mapping mapping;  // Unmaps on every way out from here.
  mapping.data_ = static_cast<std::byte*>(begin);
  mapping.length_ = length;
  mapping.mapped_length_ = mapped_length;
  mapping.offset_ = offset;
  mapping.options_ = options;
  mapping.label_ = file.label();
  mapping.options_.inherited = options.inherited && file.inherited();
  if (!mapping.options_.inherited && madvise(begin, mapped_length, MADV_DONTFORK) != 0) {
    return StatusFromErrno(errno, {.operation = "madvise(MADV_DONTFORK)",
                                   .path = file.label(),
                                   .offset = offset,
                                   .length = length});
  }
  if (options.guarded) {
    absl::StatusOr<GuardedRange> guard =
        GuardedRange::Register(begin, mapped_length, offset, options.protection);
    if (!guard.ok()) return guard.status();
    mapping.guard_ = *std::move(guard);
  }
  AdvisePageSizes(begin, mapped_length, options.page_sizes);
  status = PopulatePages(file, begin, mapped_length, offset, length, options.populate);
  if (!status.ok()) return status;
  return mapping;
}

absl::StatusOr<Mapping> Mapping::MapWhole(const MappedFile& file, const MappingOptions& options) {
  absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok()) return size.status();
  return Map(file, /*offset=*/0, *size, options);
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this == &other) return *this;
  Unmap().IgnoreError();
  data_ = std::exchange(other.data_, nullptr);
  length_ = std::exchange(other.length_, 0);
  mapped_length_ = std::exchange(other.mapped_length_, 0);
  offset_ = std::exchange(other.offset_, 0);
  options_ = std::exchange(other.options_, {});
  label_ = std::exchange(other.label_, {});
  guard_ = std::move(other.guard_);
  return *this;
}

absl::Status Mapping::Unmap() {
  if (data_ == nullptr) return absl::OkStatus();
  guard_.Unregister();  // Before munmap(): the addresses may be somebody else's afterwards.
  std::byte* const begin = std::exchange(data_, nullptr);
  const uint64_t offset = std::exchange(offset_, 0);
  const uint64_t length = std::exchange(length_, 0);
  const std::string label = std::exchange(label_, {});
  options_ = {};
  if (munmap(begin, std::exchange(mapped_length_, 0)) == 0) return absl::OkStatus();
  return StatusFromErrno(
      errno, {.operation = "munmap", .path = label, .offset = offset, .length = length});
}

absl::Status Mapping::Flush(uint64_t begin, uint64_t length, FlushMode mode) const {
  absl::Status status = CheckWithin("msync", begin, length);
  if (!status.ok()) return status;
  if (options_.sharing == Sharing::kPrivate) {
    return absl::InvalidArgumentError(absl::StrCat(
        "msync refused for ", label_, ": the mapping is private, its stores never reach the file"));
  }
  const uint64_t first = RoundDownToPage(begin);
  const uint64_t last = begin + length;  // Within length_, so it fits.
  const int flags = mode == FlushMode::kSync ? MS_SYNC : MS_ASYNC;
  if (RepeatIfInterrupted([&] { return msync(data_ + first, last - first, flags); }) != 0) {
    return StatusFromErrno(
        errno, {.operation = "msync", .path = label_, .offset = offset_ + begin, .length = length});
  }
  return damage();  // Of lost pages msync() says nothing: they are not the file's any more.
}

absl::Status Mapping::Advise(uint64_t begin, uint64_t length, Advice advice) const {
  absl::Status status = CheckWithin("madvise", begin, length);
  if (!status.ok()) return status;
  if (advice == Advice::kDontNeed && options_.sharing == Sharing::kPrivate) {
    return absl::InvalidArgumentError(
        absl::StrCat("madvise refused for ", label_,
                     ": the mapping is private, and kDontNeed would lose what was stored in it"));
  }
  const uint64_t first = RoundDownToPage(begin);
  const uint64_t last = begin + length;
  if (RepeatIfInterrupted(
          [&] { return madvise(data_ + first, last - first, AdviceNumber(advice)); }) == 0) {
    return absl::OkStatus();
  }
  if (errno == EINVAL) {  // The range is mapped and aligned, so it is the advice that is unknown.
    return absl::UnimplementedError(
        absl::StrCat("madvise failed for ", label_, ": the kernel was built without this advice"));
  }
  return StatusFromErrno(
      errno, {.operation = "madvise", .path = label_, .offset = offset_ + begin, .length = length});
}

absl::Status Mapping::damage() const {
  if (!damaged()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      label_, " (mapped from offset ", offset_, ", length ", length_,
      ") lost the page at file offset ", guard_.damaged_offset().value_or(0),
      ": the file was truncated, its device failed, or a hole in it found the file system full; "
      "what was read or written since does not count: unmap it, and map it anew once the file is "
      "whole"));
}

absl::Status Mapping::CheckWithin(absl::string_view operation, uint64_t begin,
                                  uint64_t length) const {
  if (length == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(operation, " refused for ", label_, " (byte ", begin,
                     " of the mapping, length 0): the length must be positive"));
  }
  if (begin > length_ || length > length_ - begin) {
    return absl::OutOfRangeError(absl::StrCat(operation, " refused for ", label_, " (byte ", begin,
                                              " of the mapping, length ", length,
                                              "): the mapping has ", length_, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace causeway
