#include "control/service/calls.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "control/api/names/stream_name.h"
#include "control/service/error_details.h"
#include "control/state/queries.h"
#include "control/state/reservation.h"

namespace causeway {
namespace {

// Named in the error of a full file system.
constexpr size_t kHoldersNamed = 3;

// Whether the file went with its holder: nobody will map any of it.
absl::StatusOr<bool> IsRetired(const CallParts& parts, uint64_t file_id) {
  return parts.state->Run([file_id](Catalog& catalog) -> absl::StatusOr<bool> {
    const records::File* const file = catalog.books().files.Find(file_id);
    return file == nullptr || file->state() == records::File::STATE_RETIRED;
  });
}

}  // namespace

absl::Status CheckKey(const std::string& idempotency_key) {
  return WithDetail(CheckIdempotencyKey(idempotency_key), {.field = "idempotency_key"});
}

absl::Status CheckOpenRequest(const std::string& stream, const std::string& idempotency_key) {
  absl::Status name = WithDetail(ValidateStreamName(stream), {.field = "stream"});
  return name.ok() ? CheckKey(idempotency_key) : name;
}

absl::Status BackRanges(const CallParts& parts, const std::vector<FileRange>& ranges) {
  for (const FileRange& range : ranges) {
    const absl::Status status = parts.files->Back(range);
    if (status.ok()) continue;
    // A reader's cursors, say, and the reader has died since the reservation. Whether there is
    // still something to confirm is found out then.
    if (absl::IsNotFound(status) && !range.create) {
      const absl::StatusOr<bool> retired = IsRetired(parts, range.file_id);
      if (!retired.ok()) return retired.status();
      if (*retired) continue;
    }
    if (!absl::IsResourceExhausted(status)) return status;
    const absl::StatusOr<std::string> holders =
        parts.state->Run([](Catalog& catalog) -> absl::StatusOr<std::string> {
          return DescribeLargestHolders(catalog.books(), kHoldersNamed);
        });
    if (!holders.ok()) return status;
    return absl::ResourceExhaustedError(
        absl::StrCat(status.message(), "; largest holders: ", *holders));
  }
  return absl::OkStatus();
}

v1::Extent ToApi(const records::Extent& extent) {
  v1::Extent api;
  api.set_file_id(extent.file_id());
  api.set_offset(extent.offset());
  api.set_length(extent.length());
  return api;
}

int64_t NowUnixMs() { return absl::ToUnixMillis(absl::Now()); }

}  // namespace causeway
