#include "control/service/reader_calls.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control/api/names/stream_name.h"
#include "control/service/error_details.h"
#include "mmapcore/crash_point.h"

namespace causeway {
namespace {

ErrorSubject AboutReader(uint64_t reader_id, std::string_view field) {
  return {
      .field = field, .resource_type = kReaderResource, .resource_name = absl::StrCat(reader_id)};
}

v1::OpenReaderResponse ToResponse(const ReaderGrant& grant) {
  v1::OpenReaderResponse response;
  response.set_stream_id(grant.stream.stream_id());
  response.set_reader_id(grant.reader.reader_id());
  response.set_file_id(grant.reader.file_id());
  *response.mutable_options() = grant.stream.options();
  response.set_policy(grant.reader.policy());
  return response;
}

}  // namespace

absl::StatusOr<v1::OpenReaderResponse> ReaderCalls::Open(const std::string& token_sha256,
                                                         const v1::OpenReaderRequest& request) {
  // A stream that is not to be created has no options to be wrong.
  const ErrorSubject subject = {
      .field = request.create_if_missing() ? "create_options" : "idempotency_key",
      .resource_type = kStreamResource,
      .resource_name = QuotedName(request.stream())};
  if (absl::Status bad = CheckOpenRequest(request.stream(), request.idempotency_key()); !bad.ok()) {
    return bad;
  }
  if (const auto policy = CompletePolicy(request.policy()); !policy.ok()) {
    return WithDetail(policy.status(), {.field = "policy"});
  }
  OpenReader open = {.stream = request.stream(),
                     .idempotency_key = request.idempotency_key(),
                     .policy = request.policy(),
                     .now_unix_ms = parts_.now_unix_ms()};
  if (request.create_if_missing()) open.create_options = request.create_options();
  absl::StatusOr<ReaderReservation> reserved =
      RunFor(parts_, token_sha256,
             [&](Catalog& catalog, uint64_t session) -> absl::StatusOr<ReaderReservation> {
               open.session_id = session;
               return catalog.readers().Reserve(open);
             });
  if (!reserved.ok()) return WithDetail(reserved.status(), subject);
  if (reserved->already_open) return ToResponse(reserved->grant);

  CAUSEWAY_CRASH_POINT("coordinator.open_reader.reserved");
  const uint64_t reader_id = reserved->grant.reader.reader_id();
  absl::Status status = BackRanges(parts_, reserved->to_back);
  CAUSEWAY_CRASH_POINT("coordinator.open_reader.backed");
  while (status.ok()) {
    absl::StatusOr<ReaderConfirmation> confirmed = parts_.state->Run([&](Catalog& catalog) {
      return catalog.readers().Confirm(reader_id, parts_.now_unix_ms());
    });
    CAUSEWAY_CRASH_POINT("coordinator.open_reader.confirmed");
    status = confirmed.status();
    if (!status.ok()) break;
    if (confirmed->complete) return ToResponse(confirmed->grant);
    // Lanes were opened meanwhile. There are at most as many as the stream may have.
    status = BackRanges(parts_, confirmed->to_back);
  }
  // A session that ended meanwhile left the reservation to this call.
  parts_.obligations->Meet("reader is cancelled", reader_id, [reader_id](Catalog& catalog) {
    return catalog.readers().Cancel(reader_id);
  });
  return WithDetail(std::move(status), subject);
}

absl::Status ReaderCalls::ReleaseLane(const std::string& token_sha256,
                                      const v1::ReleaseLaneRequest& request) {
  return WithDetail(RunFor(parts_, token_sha256,
                           [&](Catalog& catalog, uint64_t session) -> absl::Status {
                             return catalog.readers().ReleaseLane(session, request.reader_id(),
                                                                  request.lane_id());
                           }),
                    AboutReader(request.reader_id(), "lane_id"));
}

absl::Status ReaderCalls::Close(const std::string& token_sha256,
                                const v1::CloseReaderRequest& request) {
  return WithDetail(RunFor(parts_, token_sha256,
                           [&](Catalog& catalog, uint64_t session) -> absl::Status {
                             return catalog.readers().Close(session, request.reader_id());
                           }),
                    AboutReader(request.reader_id(), "reader_id"));
}

}  // namespace causeway
