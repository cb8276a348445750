#include "agents/requester.h"

#include <cstring>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_format.h"
#include "agents/request_format.h"
#include "agents/service_frame.h"

namespace causeway {
namespace {

// Frames that are taken in a row without a look at the clock: others' responses, mostly.
constexpr int kFramesPerLook = 256;

// Who has asked nothing for so long passes over what others were told meanwhile.
constexpr int64_t kIdleNanos = 1'000'000;

// Looks that this takes at the most: one for each lane, gap and loss.
constexpr int kMostSkips = 16;

}  // namespace

absl::StatusOr<std::unique_ptr<Requester>> Requester::Open(Agent& agent, std::string_view service,
                                                           const RequesterOptions& options) {
  if (options.max_pending == 0 || options.max_pending > PendingRequests::kMost) {
    return absl::InvalidArgumentError(absl::StrFormat("max_pending is %d; 1 to %d are allowed",
                                                      options.max_pending, PendingRequests::kMost));
  }
  // First: a response to whatever is sent is then behind the place where reading begins.
  ReaderOptions reading;
  reading.stream = options.responses;
  reading.wait_mode = options.wait_mode;
  reading.policy = ReaderPolicy::kDrop;
  reading.start = LaneStart::At::kLatest;
  absl::StatusOr<std::unique_ptr<Reader>> responses =
      agent.OpenReader(ResponseStream(service), reading);
  if (!responses.ok()) return responses.status();
  WriterOptions writing;
  writing.stream = options.requests;
  absl::StatusOr<std::unique_ptr<Writer>> requests =
      agent.OpenWriter(RequestStream(service), writing);
  if (!requests.ok()) return requests.status();
  std::random_device random;
  const uint64_t first_number = uint64_t{random()} << 32 | random();
  return std::unique_ptr<Requester>(new Requester(std::string(service), *std::move(responses),
                                                  *std::move(requests), options.max_pending,
                                                  first_number));
}

Requester::Requester(std::string service, std::unique_ptr<Reader> responses,
                     std::unique_ptr<Writer> requests, size_t max_pending, uint64_t first_number)
    : service_(std::move(service)),
      responses_(std::move(responses)),
      requests_(std::move(requests)),
      pending_(max_pending, first_number) {}

size_t Requester::max_request_bytes() const {
  const uint64_t frame = requests_->stream_options().max_frame_bytes;
  return frame < sizeof(RequestHeader) ? 0 : frame - sizeof(RequestHeader);
}

absl::Status Requester::WaitForResponder(absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  absl::Status status;
  // The last one has left the requests before it ended the responses, or both at once by its death:
  // who knows of the next one's responses takes the last one's reading for the next one's no more.
  if (ended_) status = responses_->WaitForWriter(timeout);
  if (status.ok()) {
    ended_ = false;
    // A responder opens its lane of responses before it reads requests: who is told of the reader
    // has been told of the lane.
    status = requests_->WaitForReaders(1, TimeLeft(deadline));
  }
  if (!absl::IsDeadlineExceeded(status)) return status;
  return absl::DeadlineExceededError(absl::StrFormat(
      "service %s has no responder; waited %s for one", service_, absl::FormatDuration(timeout)));
}

absl::StatusOr<std::span<std::byte>> Requester::Claim(size_t bytes, absl::Duration timeout) {
  if (bytes > max_request_bytes()) {
    return absl::InvalidArgumentError(absl::StrFormat("a request of %d bytes; service %s takes %d",
                                                      bytes, service_, max_request_bytes()));
  }
  if (pending_.full()) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("%d requests to service %s are on their way, as many as max_pending allows",
                        pending_.size(), service_));
  }
  room_ = nullptr;
  const int64_t now = Deadline::NowNanos();
  room_deadline_ = Deadline::After(timeout);
  if (pending_.size() == 0 && now - last_claim_nanos_ > kIdleNanos) SkipToEnd();
  last_claim_nanos_ = now;
  if (ended_ || requests_->readers() == 0) {
    if (absl::Status status = WaitForResponder(TimeLeft(room_deadline_)); !status.ok()) {
      return status;
    }
  }
  const size_t frame_bytes = sizeof(RequestHeader) + bytes;
  const absl::StatusOr<std::byte*> room = ClaimFrame(*requests_, frame_bytes, room_deadline_);
  if (!room.ok()) return room.status();
  room_ = *room;
  return std::span<std::byte>(room_ + sizeof(RequestHeader), bytes);
}

absl::StatusOr<RequestId> Requester::Send(size_t bytes) {
  if (room_ == nullptr) {
    return absl::FailedPreconditionError("no room was claimed for the request");
  }
  PendingRequests::Place& place = pending_.Add(room_deadline_);
  RequestHeader header;
  header.request_id = place.id;
  header.deadline_ns = static_cast<uint64_t>(room_deadline_.nanos());
  // Now, not when the room was claimed: a responder that was found there had opened before.
  header.sent_ns = static_cast<uint64_t>(Deadline::NowNanos());
  std::memcpy(std::exchange(room_, nullptr), &header, sizeof(header));
  if (requests_->Commit(sizeof(header) + bytes)) {
    ++counters_.sent;
    return RequestId{place.id};
  }
  pending_.Remove(place);
  return WhyNotCommitted(*requests_, bytes, "request");
}

absl::StatusOr<RequestId> Requester::Send(std::span<const std::byte> request,
                                          absl::Duration timeout) {
  absl::StatusOr<std::span<std::byte>> room = Claim(request.size(), timeout);
  if (!room.ok()) return room.status();
  if (!request.empty()) std::memcpy(room->data(), request.data(), request.size());
  return Send(request.size());
}

absl::StatusOr<std::span<const std::byte>> Requester::Call(std::span<const std::byte> request,
                                                           absl::Duration timeout) {
  const absl::StatusOr<RequestId> id = Send(request, timeout);
  if (!id.ok()) return id.status();
  return Wait(*id);
}

absl::StatusOr<std::span<const std::byte>> Requester::Wait(RequestId request) {
  PendingRequests::Place* const place = pending_.Find(static_cast<uint64_t>(request));
  if (place == nullptr) {
    return absl::NotFoundError(
        absl::StrFormat("no such request to service %s is on its way", service_));
  }
  while (place->waits()) Read(*place);
  pending_.Remove(*place);
  if (!place->status.ok()) return place->status;
  return std::span<const std::byte>(place->response);
}

void Requester::Cancel(RequestId request) {
  PendingRequests::Place* const place = pending_.Find(static_cast<uint64_t>(request));
  if (place != nullptr) pending_.Remove(*place);
}

void Requester::Read(PendingRequests::Place& awaited) {
  Frame frame;
  int frames = 0;
  while (frames < kFramesPerLook && awaited.waits() && responses_->TryNext(frame)) {
    Take(frame);
    ++frames;
  }
  if (!awaited.waits()) return;
  // What is there when the deadline passes is still looked at, others' responses up to a bound.
  const bool passed = awaited.deadline.HasPassed();
  if (frames < kFramesPerLook) Heed(responses_->Next(TimeLeft(awaited.deadline)));
  if (!passed || !awaited.waits()) return;
  awaited.state = PendingRequests::Place::State::kAnswered;
  awaited.status = absl::DeadlineExceededError(
      absl::StrFormat("no response of service %s in time%s", service_,
                      requests_->readers() == 0 ? "; it has no responder any more" : ""));
  ++counters_.expired;
}

void Requester::Take(const Frame& frame) {
  const std::optional<ResponseHeader> header = DecodeResponseHeader(frame.payload);
  if (header.has_value() && header->requester_lane != requests_->lane_id()) return;
  PendingRequests::Place* const place =
      header.has_value() ? pending_.Fill(*header, frame.payload.subspan(sizeof(*header))) : nullptr;
  // Overwritten meanwhile: whatever was found may be anything, and the gap comes next.
  if (!responses_->Release()) return;
  if (!header.has_value()) {
    ++counters_.malformed;
  } else if (place == nullptr) {
    ++counters_.late;
  } else {
    pending_.Settle(*place);
    ++counters_.answered;
  }
}

void Requester::Heed(const absl::StatusOr<Delivery>& next) {
  if (!next.ok()) return Fail(next.status());
  switch (next->kind) {
    case Delivery::Kind::kFrame:
      return Take(next->frame);
    case Delivery::Kind::kDeadline:
      return;
    case Delivery::Kind::kEnded:
      ended_ = true;
      return Fail(absl::UnavailableError(
          absl::StrFormat("the responder of service %s %s; whether it has carried out the request"
                          " is not known",
                          service_, EndCauseName(next->end_cause))));
    case Delivery::Kind::kLaneLost:
      return Fail(next->loss);
    case Delivery::Kind::kGap:
      return Fail(absl::UnavailableError(absl::StrFormat(
          "responses of service %s were missed, as they were not read in time; this one may have"
          " been among them",
          service_)));
  }
}

void Requester::Fail(const absl::Status& why) { counters_.failed += pending_.FailAll(why); }

void Requester::SkipToEnd() {
  for (int i = 0; i < kMostSkips; ++i) {
    const absl::StatusOr<Delivery> next = responses_->Latest(absl::ZeroDuration());
    Heed(next);
    if (!next.ok() || next->kind == Delivery::Kind::kDeadline ||
        next->kind == Delivery::Kind::kEnded) {
      return;  // What is wrong is found again by whoever waits.
    }
  }
}

}  // namespace causeway
