#include "control/service/writer_calls.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/api/names/stream_name.h"
#include "control/log/log.h"
#include "control/service/error_details.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/memory_node.h"

namespace causeway {
namespace {

ErrorSubject AboutStream(const v1::OpenWriterRequest& request) {
  // A stream that is not to be created has no options to be wrong.
  return {.field = request.create_if_missing() ? "create_options" : "idempotency_key",
          .resource_type = kStreamResource,
          .resource_name = QuotedName(request.stream())};
}

ErrorSubject AboutLane(uint64_t lane_id, std::string_view field) {
  return {.field = field, .resource_type = kLaneResource, .resource_name = absl::StrCat(lane_id)};
}

v1::OpenWriterResponse ToResponse(const WriterGrant& grant) {
  v1::OpenWriterResponse response;
  response.set_stream_id(grant.stream.stream_id());
  response.set_lane_id(grant.lane.lane_id());
  response.set_epoch(grant.lane.epoch());
  response.set_file_id(grant.lane.file_id());
  *response.mutable_lane_page() = ToApi(grant.lane_page);
  for (const records::Extent& segment : grant.segments) {
    *response.add_segments() = ToApi(segment);
    response.add_segment_grant_ids(segment.extent_id());
  }
  *response.mutable_options() = grant.stream.options();
  return response;
}

// The writer's node, for the time in which its memory is allocated: by this process, which may run
// on another one.
template <typename Request>
PreferMemoryNode PreferNodeOf(const Request& request) {
  return PreferMemoryNode(request.has_memory_node() ? std::optional<uint32_t>(request.memory_node())
                                                    : std::nullopt);
}

// Blocks that cannot be freed stay until the range is granted again, or goes with its file.
void LogIfFailed(const absl::Status& status, std::string_view event, uint64_t id) {
  if (!status.ok()) Log(LogLevel::kError, event, {{"id", id}, {"reason", status}});
}

}  // namespace

absl::StatusOr<v1::OpenWriterResponse> WriterCalls::Open(const std::string& token_sha256,
                                                         const v1::OpenWriterRequest& request) {
  const ErrorSubject subject = AboutStream(request);
  if (absl::Status bad = CheckOpenRequest(request.stream(), request.idempotency_key()); !bad.ok()) {
    return bad;
  }
  OpenWriter open = {.stream = request.stream(),
                     .idempotency_key = request.idempotency_key(),
                     .now_unix_ms = parts_.now_unix_ms()};
  if (request.create_if_missing()) open.create_options = request.create_options();
  absl::StatusOr<WriterReservation> reserved =
      RunFor(parts_, token_sha256,
             [&](Catalog& catalog, uint64_t session) -> absl::StatusOr<WriterReservation> {
               open.session_id = session;
               return catalog.writers().Reserve(open);
             });
  if (!reserved.ok()) return WithDetail(reserved.status(), subject);
  if (reserved->already_open) return ToResponse(reserved->grant);

  CAUSEWAY_CRASH_POINT("coordinator.open_writer.reserved");
  const uint64_t lane_id = reserved->grant.lane.lane_id();
  absl::Status status;
  {
    const PreferMemoryNode near_the_writer = PreferNodeOf(request);
    status = BackRanges(parts_, reserved->to_back);
  }
  CAUSEWAY_CRASH_POINT("coordinator.open_writer.backed");
  if (status.ok()) {
    absl::StatusOr<WriterGrant> grant = parts_.state->Run(
        [&](Catalog& catalog) { return catalog.writers().Confirm(lane_id, parts_.now_unix_ms()); });
    CAUSEWAY_CRASH_POINT("coordinator.open_writer.confirmed");
    if (grant.ok()) return ToResponse(*grant);
    status = grant.status();
  }
  // A session that ended meanwhile left the reservation to this call.
  parts_.obligations->Meet("lane is cancelled", lane_id, [lane_id](Catalog& catalog) {
    return catalog.writers().Cancel(lane_id);
  });
  return WithDetail(std::move(status), subject);
}

absl::StatusOr<v1::GrantSegmentResponse> WriterCalls::Grant(
    const std::string& token_sha256, const v1::GrantSegmentRequest& request) {
  const ErrorSubject subject = AboutLane(request.lane_id(), "length");
  if (absl::Status bad = CheckKey(request.idempotency_key()); !bad.ok()) return bad;
  absl::StatusOr<SegmentReservation> reserved = RunFor(
      parts_, token_sha256,
      [&](Catalog& catalog, uint64_t session) -> absl::StatusOr<SegmentReservation> {
        return catalog.writers().ReserveSegment({.session_id = session,
                                                 .lane_id = request.lane_id(),
                                                 .length = request.length(),
                                                 .idempotency_key = request.idempotency_key(),
                                                 .now_unix_ms = parts_.now_unix_ms()});
      });
  if (!reserved.ok()) return WithDetail(reserved.status(), subject);
  v1::GrantSegmentResponse response;
  if (reserved->already_granted) {
    *response.mutable_segment() = ToApi(reserved->extent);
    response.set_grant_id(reserved->extent.extent_id());
    return response;
  }

  const uint64_t extent_id = reserved->extent.extent_id();
  CAUSEWAY_CRASH_POINT("coordinator.grant_segment.reserved");
  absl::Status status;
  {
    const PreferMemoryNode near_the_writer = PreferNodeOf(request);
    status = BackRanges(parts_, {reserved->to_back});
  }
  CAUSEWAY_CRASH_POINT("coordinator.grant_segment.backed");
  if (status.ok()) {
    absl::StatusOr<records::Extent> extent = parts_.state->Run([&](Catalog& catalog) {
      return catalog.writers().ConfirmSegment(extent_id, parts_.now_unix_ms());
    });
    CAUSEWAY_CRASH_POINT("coordinator.grant_segment.confirmed");
    if (extent.ok()) {
      *response.mutable_segment() = ToApi(*extent);
      response.set_grant_id(extent_id);
      return response;
    }
    status = extent.status();
    // Perhaps it is granted all the same: the next coordinator finds out, and needs the blocks.
    if (absl::IsDataLoss(status)) return WithDetail(std::move(status), subject);
  }
  LogIfFailed(parts_.files->Free(reserved->to_back), "segment cannot be freed", extent_id);
  parts_.obligations->Meet("segment is cancelled", extent_id, [extent_id](Catalog& catalog) {
    return catalog.writers().CancelSegment(extent_id);
  });
  return WithDetail(std::move(status), subject);
}

absl::Status WriterCalls::Return(const std::string& token_sha256,
                                 const v1::ReturnSegmentRequest& request) {
  const ErrorSubject subject = AboutLane(request.lane_id(), "offset");
  absl::StatusOr<SegmentReservation> returning =
      RunFor(parts_, token_sha256,
             [&](Catalog& catalog, uint64_t session) -> absl::StatusOr<SegmentReservation> {
               return catalog.writers().BeginReturn(session, request.lane_id(), request.offset(),
                                                    request.grant_id());
             });
  if (!returning.ok()) return WithDetail(returning.status(), subject);
  const uint64_t extent_id = returning->extent.extent_id();
  CAUSEWAY_CRASH_POINT("coordinator.return_segment.begun");
  // A range that keeps its blocks is emptied before anybody gets it again: the return stands.
  LogIfFailed(parts_.files->Free(returning->to_back), "segment cannot be freed", extent_id);
  CAUSEWAY_CRASH_POINT("coordinator.return_segment.freed");
  const auto finish = [extent_id](Catalog& catalog) {
    return catalog.writers().FinishReturn(extent_id);
  };
  const absl::Status finished = parts_.state->Run(finish);
  if (!absl::IsResourceExhausted(finished)) return WithDetail(finished, subject);
  // The writer has nothing more to do with it.
  parts_.obligations->Meet("segment is returned", extent_id, finish);
  return absl::OkStatus();
}

absl::Status WriterCalls::Close(const std::string& token_sha256,
                                const v1::CloseWriterRequest& request) {
  return WithDetail(RunFor(parts_, token_sha256,
                           [&](Catalog& catalog, uint64_t session) -> absl::Status {
                             return catalog.writers().Close(session, request.lane_id());
                           }),
                    AboutLane(request.lane_id(), "lane_id"));
}

}  // namespace causeway
