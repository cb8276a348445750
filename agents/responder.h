// The other end of agents/requester.h: takes a service's requests, and gives the responses.
//
//   while (true) {
//     absl::StatusOr<std::optional<Request>> request = responder.Next(absl::Seconds(1));
//     if (!request.ok()) return request.status();
//     if (request->has_value()) responder.Respond(**request, Answer((*request)->payload));
//   }

#ifndef CAUSEWAY_AGENTS_RESPONDER_H_
#define CAUSEWAY_AGENTS_RESPONDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/reader.h"
#include "agents/request_format.h"
#include "agents/stream_options.h"
#include "agents/writer.h"
#include "mmapcore/deadline.h"
#include "mmapcore/wait_mode.h"

namespace causeway {

struct ResponderOptions {
  // Of the streams <service>.requests and <service>.responses, if there are none yet.
  StreamOptions requests = {};
  StreamOptions responses = {};
  WaitMode wait_mode = WaitMode::kAdaptive;
};

// A value: it may be kept, and answered later, before or after others. Its payload may not.
struct Request {
  // Where its requester wrote it, valid until the next Next(). The requester's process could still
  // change the bytes: whoever does not trust it copies them before looking twice.
  std::span<const std::byte> payload;
  uint64_t requester_lane = 0;  // who asks: its lane, as the coordinator has named it
  uint64_t id = 0;              // which of its requests; whatever it says
  Deadline deadline = Deadline::Infinite();

  // Until its deadline; not positive once that has passed. Infinite if there is none.
  absl::Duration TimeLeft() const { return causeway::TimeLeft(deadline); }
};

struct ResponderCounters {
  uint64_t requests = 0;         // given by Next()
  uint64_t responses = 0;        // and errors
  uint64_t expired = 0;          // requests whose deadline had passed: not given
  uint64_t earlier = 0;          // requests that were sent before it was opened: not given
  uint64_t malformed = 0;        // frames in the stream of requests that are none
  uint64_t requesters_lost = 0;  // lanes of requests that could not be read any further
};

// Serves a service, from the moment on at which it is opened: requests that were sent before are
// others', and are not given. It reads with policy block: requesters wait for it, each in its own
// lane, up to their deadlines. If it ends, by the destructor or by death, the requests that it has
// not answered fail with Unavailable; requesters wait for the next responder with what they have
// not sent yet.
//
// One at a time: of several each gets every request, and the first response is taken.
//
// Belongs to one thread at a time. No call to the coordinator but in Open() and the destructor; no
// system call unless it has to wait; no allocation.
class Responder {
 public:
  // Blocks for two calls. Errors as for Agent::OpenReader() and Agent::OpenWriter(); and
  // FailedPrecondition: the stream of responses has a max_frame_bytes that holds none.
  static absl::StatusOr<std::unique_ptr<Responder>> Open(Agent& agent, std::string_view service,
                                                         const ResponderOptions& options = {});

  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  // The next request whose deadline has not passed; nothing if none came within `timeout` (zero: at
  // once). Frames that are no requests are passed over, and counted.
  //
  // FailedPrecondition, ResourceExhausted: as for Reader::Next().
  absl::StatusOr<std::optional<Request>> Next(absl::Duration timeout);

  // Claim(), copy, Commit().
  absl::Status Respond(const Request& request, std::span<const std::byte> response);

  // Room for a response of up to `bytes` bytes, 8-byte aligned, to be filled in place. Valid until
  // the next Claim(), Commit(), Respond() or Fail(). Waits for room, which only a foreign reader of
  // the responses with policy block can make scarce, up to the request's deadline.
  //
  // InvalidArgument: more than max_response_bytes(). The requester is told so: ResourceExhausted.
  // Others as for Writer::Claim().
  absl::StatusOr<std::span<std::byte>> Claim(const Request& request, size_t bytes);

  // Sends the first `bytes` bytes of what was claimed. Never blocks.
  // FailedPrecondition: nothing, or less than that, was claimed; or fenced. DataLoss: as for
  // Writer::Claim().
  absl::Status Commit(size_t bytes);

  // Sends an error in the place of a response: the requester's Wait() returns its code and the
  // first 1024 bytes of its message. InvalidArgument: `error` is OK. Others as for Claim().
  absl::Status Fail(const Request& request, const absl::Status& error);

  size_t max_response_bytes() const;
  const ResponderCounters& counters() const { return counters_; }
  const std::string& service() const { return service_; }

 private:
  Responder(std::string service, std::unique_ptr<Writer> responses,
            std::unique_ptr<Reader> requests, uint64_t opened_ns);

  // What a frame asks; nothing if it is to be passed over.
  std::optional<Request> Take(const Frame& frame);
  absl::StatusOr<std::span<std::byte>> ClaimFor(const Request& request, size_t bytes,
                                                absl::StatusCode code);

  const std::string service_;
  const std::unique_ptr<Writer> responses_;
  const std::unique_ptr<Reader> requests_;
  const uint64_t opened_ns_;
  ResponderCounters counters_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_RESPONDER_H_
