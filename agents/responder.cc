#include "agents/responder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "agents/request_format.h"
#include "agents/service_frame.h"

namespace causeway {
namespace {

// What requesters read late is kept for them up to the capacity of the stream: a young lane grows
// first, which takes a millisecond, some times. A coordinator that is away is waited for once.
constexpr absl::Duration kLapPatience = absl::Milliseconds(50);

}  // namespace

absl::StatusOr<std::unique_ptr<Responder>> Responder::Open(Agent& agent, std::string_view service,
                                                           const ResponderOptions& options) {
  // First: requesters that are told of the reader have been told of the lane. See
  // Requester::WaitForResponder().
  WriterOptions writing;
  writing.stream = options.responses;
  writing.lap_patience = kLapPatience;
  absl::StatusOr<std::unique_ptr<Writer>> responses =
      agent.OpenWriter(ResponseStream(service), writing);
  if (!responses.ok()) return responses.status();
  if ((*responses)->stream_options().max_frame_bytes < sizeof(ResponseHeader)) {
    return absl::FailedPreconditionError(
        absl::StrFormat("the max_frame_bytes of stream %s is %d; a response takes %d and more",
                        (*responses)->stream(), (*responses)->stream_options().max_frame_bytes,
                        sizeof(ResponseHeader)));
  }
  // Not at the latest frame: requesters may hear of the reader, and send, before it has found out
  // what that is. The time at which they send tells better.
  const uint64_t opened_ns = static_cast<uint64_t>(Deadline::NowNanos());
  ReaderOptions reading;
  reading.stream = options.requests;
  reading.wait_mode = options.wait_mode;
  absl::StatusOr<std::unique_ptr<Reader>> requests =
      agent.OpenReader(RequestStream(service), reading);
  if (!requests.ok()) return requests.status();
  return std::unique_ptr<Responder>(
      new Responder(std::string(service), *std::move(responses), *std::move(requests), opened_ns));
}

Responder::Responder(std::string service, std::unique_ptr<Writer> responses,
                     std::unique_ptr<Reader> requests, uint64_t opened_ns)
    : service_(std::move(service)),
      responses_(std::move(responses)),
      requests_(std::move(requests)),
      opened_ns_(opened_ns) {}

size_t Responder::max_response_bytes() const {
  return responses_->stream_options().max_frame_bytes - sizeof(ResponseHeader);
}

std::optional<Request> Responder::Take(const Frame& frame) {
  const std::optional<RequestHeader> header = DecodeRequestHeader(frame.payload);
  if (!header.has_value()) {
    ++counters_.malformed;
    return std::nullopt;
  }
  if (header->sent_ns < opened_ns_) {
    // Another may have carried it out, which has died since.
    ++counters_.earlier;
    return std::nullopt;
  }
  Request request;
  request.payload = frame.payload.subspan(sizeof(*header));
  request.requester_lane = frame.lane_id;
  request.id = header->request_id;
  request.deadline = Deadline::AtNanos(static_cast<int64_t>(header->deadline_ns));
  if (request.deadline.HasPassed()) {
    ++counters_.expired;
    return std::nullopt;
  }
  ++counters_.requests;
  return request;
}

absl::StatusOr<std::optional<Request>> Responder::Next(absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  while (true) {
    Frame frame;
    if (!requests_->TryNext(frame)) {
      const absl::StatusOr<Delivery> next = requests_->Next(TimeLeft(deadline));
      if (!next.ok()) return next.status();
      if (next->kind == Delivery::Kind::kDeadline) return std::nullopt;
      if (next->kind == Delivery::Kind::kEnded) {
        // Of all requesters that there were; others will come.
        const absl::Status waited = requests_->WaitForWriter(TimeLeft(deadline));
        if (absl::IsDeadlineExceeded(waited)) return std::nullopt;
        if (!waited.ok()) return waited;
      }
      if (next->kind == Delivery::Kind::kLaneLost) ++counters_.requesters_lost;
      if (next->kind != Delivery::Kind::kFrame) continue;
      frame = next->frame;
    }
    if (std::optional<Request> request = Take(frame)) return request;
    if (deadline.HasPassed()) return std::nullopt;
  }
}

absl::StatusOr<std::span<std::byte>> Responder::ClaimFor(const Request& request, size_t bytes,
                                                         absl::StatusCode code) {
  ResponseHeader header;
  header.code = static_cast<uint16_t>(code);
  header.requester_lane = request.requester_lane;
  header.request_id = request.id;
  const absl::StatusOr<std::byte*> room =
      ClaimFrame(*responses_, sizeof(header) + bytes, request.deadline);
  if (!room.ok()) return room.status();
  std::memcpy(*room, &header, sizeof(header));
  return std::span<std::byte>(*room + sizeof(header), bytes);
}

absl::StatusOr<std::span<std::byte>> Responder::Claim(const Request& request, size_t bytes) {
  if (bytes <= max_response_bytes()) return ClaimFor(request, bytes, absl::StatusCode::kOk);
  const std::string text = absl::StrFormat(
      "a response of %d bytes; service %s has room for %d, see max_frame_bytes of stream %s", bytes,
      service_, max_response_bytes(), responses_->stream());
  if (absl::Status told = Fail(request, absl::ResourceExhaustedError(text)); !told.ok()) {
    return told;
  }
  return absl::InvalidArgumentError(text);
}

absl::Status Responder::Commit(size_t bytes) {
  if (responses_->Commit(sizeof(ResponseHeader) + bytes)) {
    ++counters_.responses;
    return absl::OkStatus();
  }
  return WhyNotCommitted(*responses_, bytes, "response");
}

absl::Status Responder::Respond(const Request& request, std::span<const std::byte> response) {
  absl::StatusOr<std::span<std::byte>> room = Claim(request, response.size());
  if (!room.ok()) return room.status();
  if (!response.empty()) std::memcpy(room->data(), response.data(), response.size());
  return Commit(response.size());
}

absl::Status Responder::Fail(const Request& request, const absl::Status& error) {
  if (error.ok()) return absl::InvalidArgumentError("OK is no error to fail a request with");
  const size_t bytes =
      std::min({error.message().size(), kMaxErrorMessageBytes, max_response_bytes()});
  absl::StatusOr<std::span<std::byte>> room = ClaimFor(request, bytes, error.code());
  if (!room.ok()) return room.status();
  if (bytes > 0) std::memcpy(room->data(), error.message().data(), bytes);
  return Commit(bytes);
}

}  // namespace causeway
