// Rows that are made before the I/O that they stand for.

#ifndef CAUSEWAY_CONTROL_STATE_RESERVATION_H_
#define CAUSEWAY_CONTROL_STATE_RESERVATION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "control/api/v1/types.pb.h"
#include "control/state/books.h"
#include "control/state/place.h"
#include "control/state/records.pb.h"

namespace causeway {

inline constexpr size_t kMaxIdempotencyKeyBytes = 128;

// INVALID_ARGUMENT: longer than kMaxIdempotencyKeyBytes.
absl::Status CheckIdempotencyKey(std::string_view key);

// OK, or FAILED_PRECONDITION: the session that a reservation was made for is gone or evicted.
absl::Status RequireAlive(const Books& books, uint64_t session_id);

// A file that only `session_id` will write, `name` with its id appended.
records::File ReserveFile(Books* books, records::File::Kind kind, std::string_view name,
                          v1::Durability durability, uint64_t session_id, int64_t now_unix_ms);

// Takes a range of the file for its writer; the file grows as needed.
records::Extent ReserveExtent(Books* books, uint64_t file_id, uint64_t offset, uint64_t length,
                              records::Extent::Purpose purpose, uint64_t owner_id,
                              std::string_view idempotency_key = {});

// A cursor and its page for one reader and one lane.
FileRange ReserveCursor(Books* books, uint64_t reader_id, uint64_t lane_id);

// Marks a reserved extent as granted.
void GrantExtent(Books* books, uint64_t extent_id, int64_t now_unix_ms);

// Where the I/O layer finds the range.
FileRange RangeOf(const Books& books, const records::Extent& extent);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_RESERVATION_H_
