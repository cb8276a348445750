#include "control/state/reader_operations.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/state/events.h"
#include "control/state/holders.h"
#include "control/state/lifecycle.h"
#include "control/state/reservation.h"
#include "control/state/stream_operations.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

absl::StatusOr<const records::Reader*> FindReserved(const Books& books, uint64_t reader_id) {
  const records::Reader* reader = books.readers.Find(reader_id);
  if (reader == nullptr || reader->state() != records::Reader::STATE_RESERVED) {
    return absl::NotFoundError(absl::StrCat("reader ", reader_id, " is not reserved"));
  }
  return reader;
}

absl::StatusOr<const records::Reader*> FindOpen(const Books& books, uint64_t session_id,
                                                uint64_t reader_id) {
  const records::Reader* reader = books.readers.Find(reader_id);
  if (reader == nullptr || reader->session_id() != session_id ||
      reader->state() != records::Reader::STATE_OPEN) {
    return absl::NotFoundError(
        absl::StrCat("session ", session_id, " has no reader ", reader_id, "; it may have ended"));
  }
  return reader;
}

ReaderGrant GrantOf(const Books& books, const records::Reader& reader) {
  return ReaderGrant{.stream = *books.streams.Find(reader.stream_id()), .reader = reader};
}

// The answer to a key that was used before.
absl::StatusOr<ReaderReservation> Again(Books* books, const OpenReader& request,
                                        v1::ReaderPolicy policy, const records::Reader& reader) {
  if (books->streams.Find(reader.stream_id())->name() != request.stream) {
    return absl::InvalidArgumentError(absl::StrCat("the idempotency key opened reader ",
                                                   reader.reader_id(), " of another stream"));
  }
  if (reader.policy() != policy) {
    return absl::InvalidArgumentError(absl::StrCat("the idempotency key opened reader ",
                                                   reader.reader_id(), " with another policy"));
  }
  if (reader.state() == records::Reader::STATE_RESERVED) {
    return absl::UnavailableError(
        absl::StrCat("reader ", reader.reader_id(), " is still being prepared; retry"));
  }
  SendDescriptor(books, reader.session_id(), reader.file_id(), v1::PROTECTION_READ_WRITE);
  return ReaderReservation{.already_open = true, .grant = GrantOf(*books, reader)};
}

// Lanes that a reader of the stream will follow and has no cursor for. Not those that have ended:
// no writer would obey a new cursor there.
std::vector<uint64_t> LanesToJoin(const Books& books, uint64_t stream_id, uint64_t reader_id) {
  std::vector<uint64_t> lanes;
  for (const uint64_t lane_id : books.lanes.OfStream(stream_id)) {
    if (books.lanes.Find(lane_id)->state() == records::Lane::STATE_ENDED) continue;
    if (books.cursors.Find({reader_id, lane_id}) == nullptr) lanes.push_back(lane_id);
  }
  return lanes;
}

}  // namespace

absl::StatusOr<v1::ReaderPolicy> CompletePolicy(v1::ReaderPolicy asked) {
  if (asked == v1::READER_POLICY_UNSPECIFIED) return v1::READER_POLICY_BLOCK;
  if (!v1::ReaderPolicy_IsValid(asked)) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy ", static_cast<int>(asked),
                     " is unknown to this coordinator; use block (1), drop (2) or evict (3)"));
  }
  return asked;
}

absl::StatusOr<ReaderReservation> ReaderOperations::Reserve(const OpenReader& request) {
  const absl::StatusOr<v1::ReaderPolicy> policy = CompletePolicy(request.policy);
  if (!policy.ok()) return policy.status();
  if (absl::Status status = RequireConnected(books_, request.session_id); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckIdempotencyKey(request.idempotency_key); !status.ok()) {
    return status;
  }
  if (const records::Reader* reader =
          books_.readers.FindByKey(request.session_id, request.idempotency_key);
      reader != nullptr) {
    return Again(&books_, request, *policy, *reader);
  }
  StreamOperations streams(&books_);
  absl::StatusOr<records::Stream> planned = streams.Plan(request.stream, request.create_options);
  if (!planned.ok()) return planned.status();
  if (absl::Status status = CheckReaderLimits(books_, *planned, request.session_id); !status.ok()) {
    return status;
  }
  const std::vector<uint64_t> lanes = LanesToJoin(books_, planned->stream_id(), /*reader_id=*/0);
  if (absl::Status status =
          CheckWritableBytes(books_, request.session_id, lanes.size() * PageSize());
      !status.ok()) {
    return status;
  }

  const records::Stream stream = streams.Ensure(*std::move(planned), request.now_unix_ms);
  const records::File file =
      ReserveFile(&books_, records::File::KIND_CURSOR, "cursor-", stream.options().durability(),
                  request.session_id, request.now_unix_ms);
  records::Reader reader;
  reader.set_reader_id(books_.NextId());
  reader.set_stream_id(stream.stream_id());
  reader.set_session_id(request.session_id);
  reader.set_file_id(file.file_id());
  reader.set_state(records::Reader::STATE_RESERVED);
  reader.set_idempotency_key(request.idempotency_key);
  reader.set_policy(*policy);
  books_.readers.Put(reader);
  for (const uint64_t lane_id : lanes) ReserveCursor(&books_, reader.reader_id(), lane_id);
  ReaderReservation reservation{.grant = GrantOf(books_, reader)};
  // The pages of a new file lie side by side.
  reservation.to_back.push_back(FileRange{.file_id = file.file_id(),
                                          .name = file.name(),
                                          .durability = file.durability(),
                                          .create = true,
                                          .offset = 0,
                                          .length = lanes.size() * PageSize()});
  return reservation;
}

absl::StatusOr<ReaderConfirmation> ReaderOperations::Confirm(uint64_t reader_id,
                                                             int64_t now_unix_ms) {
  const auto found = FindReserved(books_, reader_id);
  if (!found.ok()) return found.status();
  records::Reader reader = **found;
  if (absl::Status status = RequireAlive(books_, reader.session_id()); !status.ok()) return status;
  const std::vector<uint64_t> missing = LanesToJoin(books_, reader.stream_id(), reader_id);
  if (!missing.empty()) {
    if (absl::Status status =
            CheckWritableBytes(books_, reader.session_id(), missing.size() * PageSize());
        !status.ok()) {
      return status;
    }
    ReaderConfirmation confirmation{.complete = false, .grant = GrantOf(books_, reader)};
    for (const uint64_t lane_id : missing) {
      confirmation.to_back.push_back(ReserveCursor(&books_, reader_id, lane_id));
    }
    return confirmation;
  }
  records::File file = *books_.files.Find(reader.file_id());
  file.set_state(records::File::STATE_LIVE);
  books_.files.Put(std::move(file));
  reader.set_state(records::Reader::STATE_OPEN);
  books_.readers.Put(reader);
  SendDescriptor(&books_, reader.session_id(), reader.file_id(), v1::PROTECTION_READ_WRITE);
  const std::set<uint64_t> lanes = books_.cursors.LanesOf(reader_id);
  for (const uint64_t lane_id : lanes) {
    // A lane that is reserved is joined when it is confirmed.
    if (books_.lanes.Find(lane_id)->state() == records::Lane::STATE_OPEN) {
      JoinReader(&books_, reader_id, lane_id, now_unix_ms);
    }
  }
  return ReaderConfirmation{.complete = true, .grant = GrantOf(books_, reader)};
}

absl::Status ReaderOperations::Cancel(uint64_t reader_id) {
  const auto reader = FindReserved(books_, reader_id);
  if (!reader.ok()) return reader.status();
  DropReservedReader(&books_, reader_id);
  return absl::OkStatus();
}

absl::Status ReaderOperations::ReleaseLane(uint64_t session_id, uint64_t reader_id,
                                           uint64_t lane_id) {
  const auto reader = FindOpen(books_, session_id, reader_id);
  if (!reader.ok()) return reader.status();
  if (books_.cursors.Find({reader_id, lane_id}) == nullptr) return absl::OkStatus();
  if (books_.lanes.Find(lane_id)->state() != records::Lane::STATE_ENDED) {
    return absl::FailedPreconditionError(absl::StrCat("lane ", lane_id, " has not ended; reader ",
                                                      reader_id, " must go on to follow it"));
  }
  LeaveLane(&books_, reader_id, lane_id, v1::END_CAUSE_CLOSED);
  return absl::OkStatus();
}

absl::Status ReaderOperations::Close(uint64_t session_id, uint64_t reader_id) {
  const auto reader = FindOpen(books_, session_id, reader_id);
  if (!reader.ok()) return reader.status();
  EndReader(&books_, reader_id, v1::END_CAUSE_CLOSED);
  return absl::OkStatus();
}

}  // namespace causeway
