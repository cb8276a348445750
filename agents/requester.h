// Requests to a service, each with a deadline, and their responses: two streams under one roof.
//
//   absl::StatusOr<std::unique_ptr<Requester>> requester = Requester::Open(agent, "geometry");
//   if (!requester.ok()) return requester.status();
//   absl::StatusOr<std::span<const std::byte>> response =
//       (*requester)->Call(bytes, absl::Milliseconds(100));

#ifndef CAUSEWAY_AGENTS_REQUESTER_H_
#define CAUSEWAY_AGENTS_REQUESTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/pending_requests.h"
#include "agents/reader.h"
#include "agents/stream_options.h"
#include "agents/writer.h"
#include "mmapcore/deadline.h"
#include "mmapcore/wait_mode.h"

namespace causeway {

struct RequesterOptions {
  // Of the streams <service>.requests and <service>.responses, if there are none yet.
  StreamOptions requests = {};
  StreamOptions responses = {};
  WaitMode wait_mode = WaitMode::kAdaptive;
  // Requests that may be on their way at a time: 1 to 65536.
  size_t max_pending = 64;
};

struct RequesterCounters {
  uint64_t sent = 0;
  uint64_t answered = 0;   // a response came in time, or the responder's error
  uint64_t expired = 0;    // the deadline passed
  uint64_t failed = 0;     // the responder ended, or the response may have been missed
  uint64_t late = 0;       // responses that were seen when nobody waited for them any more: dropped
  uint64_t malformed = 0;  // frames in the stream of responses that are none
};

// One request that is on its way.
enum class RequestId : uint64_t {};

// One asker of a service. There may be any number of them, in any processes; each gets its own
// responses alone. They share one stream of responses, which each reads with policy drop: one that
// is stopped, or asks nothing for an hour, holds nobody up. The price: the responses that come
// while it does not look have to fit into that stream's capacity (256 MiB unless told otherwise),
// else its requests on their way fail.
//
// A request is carried out once or not at all, as far as one responder serves at a time: what was
// sent to one that has died is never given to the next. Whether it was carried out is not known
// where Wait() gives DeadlineExceeded or Unavailable.
//
// Belongs to one thread at a time, which also does the reading: nothing happens between its calls.
// A thread that asks for itself opens one of its own. No call to the coordinator but in Open() and
// the destructor; no system call unless it has to wait; no allocation once the buffers for
// responses, one for each request that may be on its way, have grown.
//
// A service is as trusted as its two streams: whoever may read them sees all requests and
// responses, and whoever may write responses can answer in the responder's place.
class Requester {
 public:
  // Blocks for two calls. Errors as for Agent::OpenReader() and Agent::OpenWriter(); the streams'
  // names are `service` and the suffixes above. InvalidArgument: max_pending.
  static absl::StatusOr<std::unique_ptr<Requester>> Open(Agent& agent, std::string_view service,
                                                         const RequesterOptions& options = {});

  Requester(const Requester&) = delete;
  Requester& operator=(const Requester&) = delete;

  // Send(), then Wait().
  absl::StatusOr<std::span<const std::byte>> Call(std::span<const std::byte> request,
                                                  absl::Duration timeout);

  // Claim(), copy, and Send() of it.
  absl::StatusOr<RequestId> Send(std::span<const std::byte> request, absl::Duration timeout);

  // Room for a request of up to `bytes` bytes, 8-byte aligned, to be filled in place: in the memory
  // that the responder reads. Valid until Send(). `timeout` is for all of it, until the response is
  // there; it may be infinite. A service that has no responder yet, or no more, is waited for.
  //
  // InvalidArgument: more than max_request_bytes().
  // ResourceExhausted: max_pending requests are on their way; or as for Writer::Claim().
  // DeadlineExceeded: no responder came, or it is behind and its lane is full. Nothing was sent.
  // FailedPrecondition, Unavailable, DataLoss: as for Writer::Claim().
  absl::StatusOr<std::span<std::byte>> Claim(size_t bytes, absl::Duration timeout);

  // Sends the first `bytes` bytes of what was claimed. Never blocks.
  // FailedPrecondition: nothing, or less than that, was claimed; or fenced.
  absl::StatusOr<RequestId> Send(size_t bytes);

  // Waits for the response to this request, up to its deadline. Requests may be waited for in any
  // order; others' responses are kept meanwhile. The response stays valid until the next Claim(),
  // Send() or Call(). Ends the request, whatever comes.
  //
  // Any code, with the message: the responder's error, as it gave it to Responder::Fail().
  // DeadlineExceeded: no response in time. It is dropped, and counted, should it still come.
  // Unavailable: the responder ended, or died; or frames of the stream of responses were missed,
  //   among which the response may have been.
  // DataLoss: a responder's lane was damaged.
  // FailedPrecondition: fenced. NotFound: no such request is on its way.
  absl::StatusOr<std::span<const std::byte>> Wait(RequestId request);

  // Waits for the response no more. The responder is not told.
  void Cancel(RequestId request);

  // Waits until a responder takes what is sent from now on. Claim() does so, too.
  // DeadlineExceeded: there is none. FailedPrecondition: fenced.
  absl::Status WaitForResponder(absl::Duration timeout);

  size_t pending() const { return pending_.size(); }
  size_t max_request_bytes() const;
  const RequesterCounters& counters() const { return counters_; }
  const std::string& service() const { return service_; }

 private:
  Requester(std::string service, std::unique_ptr<Reader> responses,
            std::unique_ptr<Writer> requests, size_t max_pending, uint64_t first_number);

  // Takes what there is to read, or waits for it, up to the deadline of the awaited request.
  void Read(PendingRequests::Place& awaited);
  void Take(const Frame& frame);
  void Heed(const absl::StatusOr<Delivery>& next);
  void Fail(const absl::Status& why);
  // Goes to the end of the stream of responses; nothing may be on its way.
  void SkipToEnd();

  const std::string service_;
  const std::unique_ptr<Reader> responses_;
  const std::unique_ptr<Writer> requests_;
  PendingRequests pending_;
  RequesterCounters counters_;
  std::byte* room_ = nullptr;  // of the open claim, header included
  Deadline room_deadline_ = Deadline::Infinite();
  int64_t last_claim_nanos_ = 0;
  bool ended_ = false;  // every lane of responses that there was
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_REQUESTER_H_
