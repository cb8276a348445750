#include "mmapcore/file_range.h"

#include <sys/resource.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

constexpr uint64_t kLargestOffset = INT64_MAX;

std::string Number(uint64_t value) {
  if (value <= kLargestOffset) return absl::StrCat(value);
  return absl::StrCat(value, " = ", static_cast<int64_t>(value));
}

}  // namespace

std::string RefusedRange(absl::string_view operation, absl::string_view label, uint64_t offset,
                         uint64_t length) {
  return absl::StrCat(operation, " refused for ", label, " (offset ", Number(offset), ", length ",
                      Number(length), ")");
}

absl::Status CheckRange(absl::string_view operation, absl::string_view label, uint64_t offset,
                        uint64_t length) {
  const auto refuse = [&](absl::string_view rule) {
    return absl::InvalidArgumentError(
        absl::StrCat(RefusedRange(operation, label, offset, length), ": ", rule));
  };
  if (length == 0) return refuse("the length must be positive");
  if (!IsPageAligned(offset)) {
    return refuse(absl::StrCat("the offset must be a multiple of the page size ", PageSize()));
  }
  const std::optional<uint64_t> whole_pages = RoundUpToPage(length);
  if (offset > kLargestOffset || !whole_pages.has_value() ||
      *whole_pages > kLargestOffset - offset) {
    return refuse("the range must end below 2^63");
  }
  return absl::OkStatus();
}

absl::Status CheckExtent(absl::string_view operation, absl::string_view label, uint64_t offset,
                         uint64_t length) {
  absl::Status status = CheckRange(operation, label, offset, length);
  if (!status.ok() || IsPageAligned(length)) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(RefusedRange(operation, label, offset, length),
                   ": the length must be a multiple of the page size ", PageSize()));
}

absl::Status CheckFileSizeLimit(absl::string_view operation, absl::string_view label,
                                uint64_t size) {
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
      size <= limit.rlim_cur) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      operation, " refused for ", label, ": a size of ", size,
      " bytes is above the process's limit on file size, RLIMIT_FSIZE = ", limit.rlim_cur,
      " bytes; raise it (ulimit -f)"));
}

}  // namespace causeway
