// Requesters and responders of one process, through a real coordinator: one thread plays all of
// them, so that what comes first is the test's choice.

#include "agents/requester.h"

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/request_format.h"
#include "agents/responder.h"
#include "agents/testing/coordinator_process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmapcore/deadline.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;

// Ends a failed run only.
constexpr absl::Duration kLong = absl::Minutes(1);
// Passes in every run.
constexpr absl::Duration kShort = absl::Milliseconds(20);

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Text(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class RequesterTest : public ::testing::Test {
 protected:
  void SetUp() override { agent_ = Attach("service"); }

  std::unique_ptr<Agent> Attach(const char* name) {
    AgentOptions options;
    options.dir = coordinator_.dir();
    options.name = name;
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    EXPECT_TRUE(agent.ok()) << agent.status();
    return agent.ok() ? *std::move(agent) : nullptr;
  }

  std::unique_ptr<Requester> Ask(const RequesterOptions& options = {}) {
    absl::StatusOr<std::unique_ptr<Requester>> requester = Requester::Open(*agent_, "s", options);
    EXPECT_TRUE(requester.ok()) << requester.status();
    return requester.ok() ? *std::move(requester) : nullptr;
  }

  std::unique_ptr<Responder> Serve(const ResponderOptions& options = {}) {
    absl::StatusOr<std::unique_ptr<Responder>> responder = Responder::Open(*agent_, "s", options);
    EXPECT_TRUE(responder.ok()) << responder.status();
    return responder.ok() ? *std::move(responder) : nullptr;
  }

  static RequestId Send(Requester& requester, std::string_view text,
                        absl::Duration timeout = kLong) {
    const absl::StatusOr<RequestId> id = requester.Send(Bytes(text), timeout);
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or(RequestId{0});
  }

  static Request Next(Responder& responder) {
    const absl::StatusOr<std::optional<Request>> next = responder.Next(kLong);
    EXPECT_TRUE(next.ok()) << next.status();
    EXPECT_TRUE(next.ok() && next->has_value());
    return next.ok() && next->has_value() ? **next : Request{};
  }

  static void ExpectNone(Responder& responder) {
    const absl::StatusOr<std::optional<Request>> next = responder.Next(absl::ZeroDuration());
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_FALSE(next->has_value());
  }

  static std::string WaitFor(Requester& requester, RequestId id) {
    const absl::StatusOr<std::span<const std::byte>> response = requester.Wait(id);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? Text(*response) : "";
  }

  CoordinatorProcess coordinator_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(RequesterTest, EachRequesterGetsItsOwnResponsesInAnyOrder) {
  const auto responder = Serve();
  const auto one = Ask();
  const auto two = Ask();
  const RequestId a = Send(*one, "a");
  const RequestId b = Send(*one, "b");
  const RequestId c = Send(*two, "c");
  std::vector<std::pair<Request, std::string>> requests;
  for (int i = 0; i < 3; ++i) {
    const Request request = Next(*responder);
    requests.emplace_back(request, Text(request.payload));
    EXPECT_GT(request.TimeLeft(), absl::ZeroDuration());
    EXPECT_LE(request.TimeLeft(), kLong);
  }
  for (auto request = requests.rbegin(); request != requests.rend(); ++request) {
    EXPECT_TRUE(responder->Respond(request->first, Bytes(request->second + "!")).ok());
  }
  EXPECT_EQ(WaitFor(*one, b), "b!");
  EXPECT_EQ(WaitFor(*two, c), "c!");
  EXPECT_EQ(WaitFor(*one, a), "a!");
  EXPECT_EQ(one->pending() + two->pending(), 0u);
  EXPECT_EQ(one->counters().answered, 2u);
  EXPECT_EQ(one->counters().late, 0u);
  EXPECT_EQ(two->counters().answered, 1u);
  EXPECT_EQ(responder->counters().responses, 3u);
  EXPECT_TRUE(absl::IsNotFound(one->Wait(a).status()));
}

TEST_F(RequesterTest, RequestsAndResponsesAreBuiltInPlace) {
  const auto responder = Serve();
  const auto requester = Ask();
  const absl::StatusOr<std::span<std::byte>> room = requester->Claim(100, kLong);
  ASSERT_TRUE(room.ok()) << room.status();
  EXPECT_EQ(room->size(), 100u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(room->data()) % 8, 0u);
  std::memcpy(room->data(), "12345", 5);
  const absl::StatusOr<RequestId> id = requester->Send(5);
  ASSERT_TRUE(id.ok()) << id.status();
  const Request request = Next(*responder);
  EXPECT_EQ(Text(request.payload), "12345");
  const absl::StatusOr<std::span<std::byte>> place = responder->Claim(request, 50);
  ASSERT_TRUE(place.ok()) << place.status();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(place->data()) % 8, 0u);
  std::memcpy(place->data(), "678", 3);
  EXPECT_TRUE(absl::IsFailedPrecondition(responder->Commit(51)));
  EXPECT_TRUE(responder->Respond(request, Bytes("678")).ok());
  EXPECT_EQ(WaitFor(*requester, *id), "678");
}

TEST_F(RequesterTest, NothingAndVeryMuchAreSentToo) {
  const StreamOptions stream = {
      .segment_bytes = 65536, .capacity_bytes = 1 << 20, .max_frame_bytes = 200'000};
  const auto responder = Serve({.requests = stream, .responses = stream});
  const auto requester = Ask();
  const std::string large(requester->max_request_bytes(), 'x');
  for (const std::string& text : {std::string(), large}) {
    const RequestId id = Send(*requester, text);
    const Request request = Next(*responder);
    EXPECT_EQ(request.payload.size(), text.size());
    EXPECT_TRUE(responder->Respond(request, request.payload).ok());
    EXPECT_TRUE(WaitFor(*requester, id) == text);
  }
  const absl::Status status = requester->Claim(large.size() + 1, kLong).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST_F(RequesterTest, AResponseThatIsTooLargeIsAClearErrorForBoth) {
  const auto responder = Serve();
  const auto requester = Ask();
  const RequestId id = Send(*requester, "much");
  const Request request = Next(*responder);
  const size_t bytes = responder->max_response_bytes() + 1;
  const absl::Status refused = responder->Claim(request, bytes).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  const absl::Status status = requester->Wait(id).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(status.message(), refused.message());
  EXPECT_THAT(std::string(status.message()), HasSubstr("s.responses"));
}

TEST_F(RequesterTest, ErrorsTravelWithCodeAndMessage) {
  const auto responder = Serve();
  const auto requester = Ask();
  const RequestId id = Send(*requester, "x");
  const Request request = Next(*responder);
  EXPECT_TRUE(absl::IsInvalidArgument(responder->Fail(request, absl::OkStatus())));
  EXPECT_TRUE(responder->Fail(request, absl::NotFoundError("no x here")).ok());
  EXPECT_EQ(requester->Wait(id).status(), absl::NotFoundError("no x here"));
  const RequestId other = Send(*requester, "y");
  const std::string text(5000, 'y');
  EXPECT_TRUE(responder->Fail(Next(*responder), absl::AbortedError(text)).ok());
  EXPECT_EQ(requester->Wait(other).status(),
            absl::AbortedError(text.substr(0, kMaxErrorMessageBytes)));
}

TEST_F(RequesterTest, ARequestWhoseDeadlineHasPassedIsNotHandedOver) {
  const auto responder = Serve();
  const auto requester = Ask();
  ASSERT_TRUE(requester->WaitForResponder(kLong).ok());
  const RequestId id = Send(*requester, "x", absl::Nanoseconds(1));
  const absl::Status status = requester->Wait(id).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  const RequestId next = Send(*requester, "y");
  const Request request = Next(*responder);
  EXPECT_EQ(Text(request.payload), "y");
  EXPECT_EQ(responder->counters().expired, 1u);
  EXPECT_EQ(responder->counters().requests, 1u);
  EXPECT_TRUE(responder->Respond(request, Bytes("z")).ok());
  EXPECT_EQ(WaitFor(*requester, next), "z");
  EXPECT_EQ(requester->counters().expired, 1u);
}

TEST_F(RequesterTest, ALateResponseIsDroppedAndCounted) {
  const auto responder = Serve();
  const auto requester = Ask();
  // The responder is asked to take it before the deadline passes; how long that takes is nobody's
  // promise, so the requester gives up by itself.
  const RequestId id = Send(*requester, "x");
  const Request late = Next(*responder);
  requester->Cancel(id);
  EXPECT_TRUE(absl::IsNotFound(requester->Wait(id).status()));
  EXPECT_TRUE(responder->Respond(late, Bytes("late")).ok());
  const RequestId next = Send(*requester, "y");
  EXPECT_TRUE(responder->Respond(Next(*responder), Bytes("z")).ok());
  EXPECT_EQ(WaitFor(*requester, next), "z");
  EXPECT_EQ(requester->counters().late, 1u);
  EXPECT_EQ(requester->counters().answered, 1u);
}

TEST_F(RequesterTest, NoResponseInTimeIsDeadlineExceeded) {
  const auto responder = Serve();
  const auto requester = Ask();
  ASSERT_TRUE(requester->WaitForResponder(kLong).ok());
  absl::Status status = requester->Call(Bytes("x"), kShort).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_EQ(requester->pending(), 0u);
}

TEST_F(RequesterTest, WithoutAResponderNothingIsSent) {
  const auto requester = Ask();
  const absl::Status status = requester->Call(Bytes("x"), kShort).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("no responder"));
  EXPECT_EQ(requester->counters().sent, 0u);
  const auto responder = Serve();
  ASSERT_TRUE(requester->WaitForResponder(kLong).ok());
  ExpectNone(*responder);
}

TEST_F(RequesterTest, AResponderThatEndsIsUnavailableAndTheNextIsNotGivenItsRequests) {
  auto responder = Serve();
  const auto requester = Ask();
  const RequestId a = Send(*requester, "a");
  const RequestId b = Send(*requester, "b");
  EXPECT_EQ(Text(Next(*responder).payload), "a");
  responder.reset();
  for (const RequestId id : {a, b}) {
    const absl::Status status = requester->Wait(id).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  }
  EXPECT_EQ(requester->counters().failed, 2u);
  responder = Serve();
  const RequestId c = Send(*requester, "c");
  const Request request = Next(*responder);
  EXPECT_EQ(Text(request.payload), "c");
  EXPECT_LE(responder->counters().earlier, 2u);  // As many as the lane still holds.
  EXPECT_TRUE(responder->Respond(request, Bytes("C")).ok());
  EXPECT_EQ(WaitFor(*requester, c), "C");
}

TEST_F(RequesterTest, OfTwoRespondersTheFirstResponseIsTaken) {
  const auto requester = Ask();
  const auto one = Serve();
  const auto two = Serve();
  const RequestId id = Send(*requester, "x");
  Request request = Next(*one);
  EXPECT_TRUE(one->Respond(request, Bytes("first")).ok());
  EXPECT_TRUE(two->Respond(request, Bytes("second")).ok());
  EXPECT_NE(WaitFor(*requester, id), "");
  const RequestId next = Send(*requester, "y");
  request = Next(*one);
  EXPECT_TRUE(one->Respond(request, Bytes("Y")).ok());
  EXPECT_EQ(WaitFor(*requester, next), "Y");
  EXPECT_EQ(requester->counters().answered, 2u);
}

TEST_F(RequesterTest, NoMoreThanMaxPendingAreOnTheirWay) {
  EXPECT_TRUE(absl::IsInvalidArgument(Requester::Open(*agent_, "s", {.max_pending = 0}).status()));
  const auto responder = Serve();
  const auto requester = Ask({.max_pending = 2});
  const RequestId a = Send(*requester, "a");
  Send(*requester, "b");
  absl::Status status = requester->Send(Bytes("c"), kLong).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_pending"));
  requester->Cancel(a);
  Send(*requester, "c");
  EXPECT_TRUE(absl::IsFailedPrecondition(requester->Send(size_t{0}).status()));
}

TEST_F(RequesterTest, FramesThatAreNeitherArePassedOverAndCounted) {
  const auto responder = Serve();
  const auto requester = Ask();
  const auto false_requests = agent_->OpenWriter("s.requests");
  const auto false_responses = agent_->OpenWriter("s.responses");
  ASSERT_TRUE(false_requests.ok() && false_responses.ok());
  RequestHeader request_header;
  request_header.version = 2;
  ResponseHeader response_header;
  response_header.magic = kRequestMagic;
  ASSERT_TRUE((*false_requests)->WaitForReaders(1, kLong).ok());
  ASSERT_TRUE((*false_responses)->WaitForReaders(1, kLong).ok());
  const auto send = [](Writer& writer, const auto& header) {
    EXPECT_TRUE(writer.Write(Bytes("short"), kLong).ok());
    EXPECT_TRUE(writer.Write(std::as_bytes(std::span(&header, 1)), kLong).ok());
  };
  const RequestId id = Send(*requester, "x");
  send(**false_requests, request_header);
  send(**false_responses, response_header);
  const Request request = Next(*responder);
  EXPECT_EQ(Text(request.payload), "x");
  // A response in somebody else's name, and one to a request that there is not.
  ResponseHeader stranger;
  stranger.requester_lane = request.requester_lane + 1;
  stranger.request_id = request.id;
  EXPECT_TRUE((*false_responses)->Write(std::as_bytes(std::span(&stranger, 1)), kLong).ok());
  ResponseHeader unasked;
  unasked.requester_lane = request.requester_lane;
  unasked.request_id = request.id + 1;
  EXPECT_TRUE((*false_responses)->Write(std::as_bytes(std::span(&unasked, 1)), kLong).ok());
  while (requester->counters().late == 0) {
    // Reads what is there, and finds no response.
    const RequestId other = Send(*requester, "other", absl::Nanoseconds(1));
    EXPECT_TRUE(absl::IsDeadlineExceeded(requester->Wait(other).status()));
  }
  EXPECT_TRUE(responder->Respond(request, Bytes("y")).ok());
  EXPECT_EQ(WaitFor(*requester, id), "y");
  EXPECT_EQ(requester->counters().malformed, 2u);
  EXPECT_EQ(requester->counters().late, 1u);
  while (responder->counters().malformed < 2) ExpectNone(*responder);
  EXPECT_EQ(responder->counters().requests, 1u);
}

TEST_F(RequesterTest, AnIdleRequesterHoldsNobodyUpAndGoesOn) {
  ResponderOptions options;
  options.responses = {.segment_bytes = 16384, .capacity_bytes = 65536, .max_frame_bytes = 8192};
  const auto responder = Serve(options);
  const auto idle = Ask();
  const auto busy = Ask();
  const std::string large(4096, 'x');
  for (int i = 0; i < 200; ++i) {
    const RequestId id = Send(*busy, "x");
    ASSERT_TRUE(responder->Respond(Next(*responder), Bytes(large)).ok());
    ASSERT_EQ(WaitFor(*busy, id).size(), large.size());
  }
  const RequestId id = Send(*idle, "i");
  ASSERT_TRUE(responder->Respond(Next(*responder), Bytes("I")).ok());
  EXPECT_EQ(WaitFor(*idle, id), "I");
}

TEST_F(RequesterTest, WhoDoesNotReadInTimeIsToldSo) {
  ResponderOptions options;
  options.responses = {.segment_bytes = 16384, .capacity_bytes = 65536, .max_frame_bytes = 8192};
  const auto responder = Serve(options);
  const auto requester = Ask();
  const std::string large(4096, 'x');
  std::vector<RequestId> ids;
  for (int i = 0; i < 60; ++i) {
    ids.push_back(Send(*requester, "x"));
    ASSERT_TRUE(responder->Respond(Next(*responder), Bytes(large)).ok());
  }
  const absl::Status status = requester->Wait(ids.front()).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("missed"));
}

TEST_F(RequesterTest, AnEvictedRequesterIsFenced) {
  const auto responder = Serve();
  const auto victim = Attach("victim");
  const absl::StatusOr<std::unique_ptr<Requester>> requester = Requester::Open(*victim, "s");
  ASSERT_TRUE(requester.ok()) << requester.status();
  const RequestId id = Send(**requester, "x");
  ASSERT_TRUE(coordinator_.Evict(victim->session_id(), "for the test").ok());
  const absl::Status status = (*requester)->Wait(id).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  // What it had sent before may be carried out; it hears nothing of it.
  EXPECT_TRUE(absl::IsFailedPrecondition((*requester)->Call(Bytes("y"), kLong).status()));
}

}  // namespace
}  // namespace causeway
