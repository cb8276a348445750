#include "control/state/reservation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mmapcore/page.h"

namespace causeway {

absl::Status CheckIdempotencyKey(std::string_view key) {
  if (key.size() <= kMaxIdempotencyKeyBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("idempotency_key has ", key.size(),
                                                 " bytes, more than ", kMaxIdempotencyKeyBytes));
}

absl::Status RequireAlive(const Books& books, uint64_t session_id) {
  const records::Session* session = books.sessions.Find(session_id);
  if (session == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("session ", session_id, " ended while its grant was being prepared"));
  }
  if (session->state() == records::Session::STATE_FENCED) {
    return absl::FailedPreconditionError(
        absl::StrCat("session ", session_id,
                     " was evicted while its grant was being prepared: ", session->evict_reason()));
  }
  return absl::OkStatus();
}

records::File ReserveFile(Books* books, records::File::Kind kind, std::string_view name,
                          v1::Durability durability, uint64_t session_id, int64_t now_unix_ms) {
  records::File file;
  file.set_file_id(books->NextId());
  file.set_kind(kind);
  file.set_name(absl::StrCat(std::string(name), file.file_id()));
  file.set_durability(durability);
  file.set_session_id(session_id);
  file.set_epoch(books->NextEpoch());
  file.set_state(records::File::STATE_RESERVED);
  file.set_created_unix_ms(now_unix_ms);
  books->files.Put(file);
  return file;
}

records::Extent ReserveExtent(Books* books, uint64_t file_id, uint64_t offset, uint64_t length,
                              records::Extent::Purpose purpose, uint64_t owner_id,
                              std::string_view idempotency_key) {
  const records::File& file = *books->files.Find(file_id);
  records::Extent extent;
  extent.set_extent_id(books->NextId());
  extent.set_file_id(file_id);
  extent.set_offset(offset);
  extent.set_length(length);
  extent.set_session_id(file.session_id());
  extent.set_protection(v1::PROTECTION_READ_WRITE);
  extent.set_purpose(purpose);
  extent.set_owner_id(owner_id);
  extent.set_state(records::Extent::STATE_RESERVED);
  extent.set_epoch(file.epoch());
  extent.set_idempotency_key(std::string(idempotency_key));
  books->extents.Put(extent);
  if (offset + length > file.size_bytes()) {
    records::File grown = file;
    grown.set_size_bytes(offset + length);
    books->files.Put(std::move(grown));
  }
  return extent;
}

FileRange ReserveCursor(Books* books, uint64_t reader_id, uint64_t lane_id) {
  const uint64_t file_id = books->readers.Find(reader_id)->file_id();
  // The address space of a cursor file holds a thousand million pages.
  const uint64_t offset = *books->extents.FindSpace(file_id, PageSize(), PageSize());
  const records::Extent page =
      ReserveExtent(books, file_id, offset, PageSize(), records::Extent::PURPOSE_CURSOR, reader_id);
  records::Cursor cursor;
  cursor.set_reader_id(reader_id);
  cursor.set_lane_id(lane_id);
  cursor.set_extent_id(page.extent_id());
  books->cursors.Put(std::move(cursor));
  return RangeOf(*books, page);
}

void GrantExtent(Books* books, uint64_t extent_id, int64_t now_unix_ms) {
  records::Extent extent = *books->extents.Find(extent_id);
  extent.set_state(records::Extent::STATE_GRANTED);
  extent.set_granted_unix_ms(now_unix_ms);
  books->extents.Put(std::move(extent));
}

FileRange RangeOf(const Books& books, const records::Extent& extent) {
  const records::File& file = *books.files.Find(extent.file_id());
  return FileRange{.file_id = file.file_id(),
                   .name = file.name(),
                   .durability = file.durability(),
                   .offset = extent.offset(),
                   .length = extent.length()};
}

}  // namespace causeway
