// What stands at the head of each frame of a service's two streams. The coordinator knows nothing
// of it, and lanes carry it as payload; see agents/requester.h and agents/responder.h.
//
// Stream `<service>.requests`, one lane for each requester:
//
//   ┌────────────────┬─────────────┐
//   │ RequestHeader  │ the request │
//   └────────────────┴─────────────┘
//
// Stream `<service>.responses`, one lane for each responder; every requester reads all of it and
// picks out what bears its lane:
//
//   ┌────────────────┬────────────────────────────────────────────┐
//   │ ResponseHeader │ the response, or the message of an error   │
//   └────────────────┴────────────────────────────────────────────┘
//
// Integers are little-endian. The header is written in the claimed frame, and the payload behind it
// is 8-byte aligned. A header of another version, or one that is not valid, is counted and passed
// over; nothing is believed of it.

#ifndef CAUSEWAY_AGENTS_REQUEST_FORMAT_H_
#define CAUSEWAY_AGENTS_REQUEST_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mmapcore/deadline.h"

namespace causeway {

inline constexpr uint32_t kRequestMagic = 0x51525743;   // "CWRQ"
inline constexpr uint32_t kResponseMagic = 0x53525743;  // "CWRS"
inline constexpr uint16_t kRequestFormatVersion = 1;

// A deadline that never passes.
inline constexpr uint64_t kNoDeadline = INT64_MAX;

struct RequestHeader {
  uint32_t magic = kRequestMagic;
  uint16_t version = kRequestFormatVersion;
  uint16_t reserved = 0;
  // Chosen by the requester, from a random number on; comes back with the response.
  uint64_t request_id = 0;
  // Nanoseconds of CLOCK_MONOTONIC, which all processes of the host share, from 1 to kNoDeadline.
  uint64_t deadline_ns = kNoDeadline;
  // When it was sent, by the same clock: whoever began to respond later leaves it alone.
  uint64_t sent_ns = 0;
};
static_assert(std::is_trivially_copyable_v<RequestHeader>);
static_assert(sizeof(RequestHeader) == 32);
static_assert(offsetof(RequestHeader, version) == 4);
static_assert(offsetof(RequestHeader, request_id) == 8);
static_assert(offsetof(RequestHeader, deadline_ns) == 16);
static_assert(offsetof(RequestHeader, sent_ns) == 24);

struct ResponseHeader {
  uint32_t magic = kResponseMagic;
  uint16_t version = kRequestFormatVersion;
  // 0, and a response follows; or the absl::StatusCode of an error, and its message follows.
  uint16_t code = 0;
  // Of the lane in which the request came: who asked. The responder has it from the coordinator,
  // not from the request, so that nobody can ask in the name of another.
  uint64_t requester_lane = 0;
  uint64_t request_id = 0;
};
static_assert(std::is_trivially_copyable_v<ResponseHeader>);
static_assert(sizeof(ResponseHeader) == 24);
static_assert(offsetof(ResponseHeader, version) == 4);
static_assert(offsetof(ResponseHeader, code) == 6);
static_assert(offsetof(ResponseHeader, requester_lane) == 8);
static_assert(offsetof(ResponseHeader, request_id) == 16);

// As long as a message may be; what is longer is cut.
inline constexpr size_t kMaxErrorMessageBytes = 1024;

// The header of a frame's payload, copied once; nothing if it is not a valid one.
inline std::optional<RequestHeader> DecodeRequestHeader(std::span<const std::byte> frame) {
  RequestHeader header;
  if (frame.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, frame.data(), sizeof(header));
  if (header.magic != kRequestMagic || header.version != kRequestFormatVersion ||
      header.reserved != 0 || header.deadline_ns == 0 || header.deadline_ns > kNoDeadline) {
    return std::nullopt;
  }
  return header;
}

inline std::optional<ResponseHeader> DecodeResponseHeader(std::span<const std::byte> frame) {
  ResponseHeader header;
  if (frame.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, frame.data(), sizeof(header));
  if (header.magic != kResponseMagic || header.version != kRequestFormatVersion) {
    return std::nullopt;
  }
  return header;
}

// Of a code that came with a response: those that there are, and kUnknown for all others.
inline absl::StatusCode StatusCodeOf(uint16_t code) {
  const bool known = code <= static_cast<uint16_t>(absl::StatusCode::kUnauthenticated);
  return known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown;
}

// From now to the deadline; negative once it has passed.
inline absl::Duration TimeLeft(Deadline deadline) {
  if (deadline.nanos() == Deadline::Infinite().nanos()) return absl::InfiniteDuration();
  return absl::Nanoseconds(deadline.nanos() - Deadline::NowNanos());
}

// The names of a service's streams.
inline std::string RequestStream(std::string_view service) {
  return std::string(service) + ".requests";
}
inline std::string ResponseStream(std::string_view service) {
  return std::string(service) + ".responses";
}

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_REQUEST_FORMAT_H_
