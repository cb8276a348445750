#include "mmapcore/lane_roster.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {

absl::StatusOr<std::shared_ptr<ReaderCursor>> ReaderCursor::Map(const MappedFile& cursor_file,
                                                                uint64_t offset,
                                                                const LaneIdentity& lane,
                                                                uint64_t reader_id,
                                                                ReaderPolicy policy) {
  absl::StatusOr<Mapping> mapping = Mapping::Map(cursor_file, offset, kHeaderPageBytes,
                                                 {.protection = Protection::kRead,
                                                  .populate = Populate::kForReading,
                                                  .guarded = SigbusGuard::installed()});
  if (!mapping.ok()) return mapping.status();
  return std::shared_ptr<ReaderCursor>(
      new ReaderCursor(*std::move(mapping), cursor_file.label(), lane, reader_id, policy));
}

uint64_t ReaderCursor::Position() {
  if (bad_) return kPositionPastAll;
  // I9. Acquire: the reader has done with what lies before. Pairs with the release in
  // LaneReader::Release() and with its other stores of the position.
  const uint64_t position = page_->position.LoadAcquire();
  // After the load: zeros in place of a lost page must not hold the lane for ever.
  if (mapping_.damaged()) {
    bad_ = true;
    return kPositionPastAll;
  }
  if (position == 0) return 0;
  if (!checked_) {
    // A reader publishes the page before it stores a position.
    const PageIdentity expected = {.kind = PageKind::kCursor,
                                   .lane = lane_,
                                   .reader_id = reader_id_,
                                   .offset = mapping_.offset(),
                                   .length = kHeaderPageBytes};
    if (!ReadPage(page_->page, expected, label_).ok()) {
      bad_ = true;
      return kPositionPastAll;
    }
    checked_ = true;
  }
  return position;
}

uint64_t ReaderCursor::Wish(uint64_t oldest) {
  uint64_t position = Position();
  if (position == 0) {
    // It begins at what was the oldest segment when it joined, or later.
    if (!began_at_.has_value()) began_at_ = oldest;
    position = *began_at_;
  }
  return position < oldest ? kPositionPastAll : position;
}

}  // namespace causeway
