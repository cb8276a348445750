#include "agents/pending_requests.h"

#include <algorithm>

#include "absl/strings/string_view.h"

namespace causeway {
namespace {

// An id is a number that grows, and below it the place's index.
constexpr int kIndexBits = 16;
static_assert(PendingRequests::kMost == size_t{1} << kIndexBits);

}  // namespace

PendingRequests::PendingRequests(size_t most, uint64_t first_number)
    : places_(most), number_(first_number) {
  free_.reserve(most);
  for (size_t i = most; i > 0; --i) free_.push_back(static_cast<uint16_t>(i - 1));
}

PendingRequests::Place& PendingRequests::Add(Deadline deadline) {
  const uint16_t index = free_.back();
  free_.pop_back();
  Place& place = places_[index];
  place.state = Place::State::kWaits;
  place.id = ++number_ << kIndexBits | index;
  place.deadline = deadline;
  return place;
}

PendingRequests::Place* PendingRequests::Find(uint64_t id) {
  const size_t index = id & (kMost - 1);
  if (index >= places_.size()) return nullptr;
  Place& place = places_[index];
  return place.state != Place::State::kFree && place.id == id ? &place : nullptr;
}

void PendingRequests::Remove(Place& place) {
  place.state = Place::State::kFree;
  free_.push_back(static_cast<uint16_t>(&place - places_.data()));
}

PendingRequests::Place* PendingRequests::Fill(const ResponseHeader& header,
                                              std::span<const std::byte> payload) {
  Place* const place = Find(header.request_id);
  if (place == nullptr || !place->waits()) return nullptr;
  const absl::StatusCode code = StatusCodeOf(header.code);
  if (code == absl::StatusCode::kOk) {
    place->status = absl::OkStatus();
    place->response.assign(payload.begin(), payload.end());
  } else {
    const size_t bytes = std::min(payload.size(), kMaxErrorMessageBytes);
    place->status =
        absl::Status(code, absl::string_view(reinterpret_cast<const char*>(payload.data()), bytes));
  }
  return place;
}

size_t PendingRequests::FailAll(const absl::Status& why) {
  size_t failed = 0;
  for (Place& place : places_) {
    if (!place.waits()) continue;
    place.state = Place::State::kAnswered;
    place.status = why;
    ++failed;
  }
  return failed;
}

}  // namespace causeway
