#include "control/state/writer_operations.h"

#include <string>
#include <variant>
#include <vector>

#include "control/state/catalog_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<WriterReservation> Reserve(CatalogFixture* fixture, const OpenWriter& request) {
  return fixture->Do([&](Catalog& catalog) { return catalog.writers().Reserve(request); });
}

absl::StatusOr<WriterGrant> Confirm(CatalogFixture* fixture, uint64_t lane_id) {
  return fixture->Do(
      [&](Catalog& catalog) { return catalog.writers().Confirm(lane_id, fixture->now()); });
}

OpenWriter Request(uint64_t session_id, const std::string& key = "") {
  return OpenWriter{.session_id = session_id,
                    .stream = "s",
                    .create_options = v1::StreamOptions(),
                    .idempotency_key = key,
                    .now_unix_ms = 7};
}

TEST(WriterOperations, ReservesAFileWithItsPageAndTwoSegments) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  const auto reserved = Reserve(&fixture, Request(session));
  ASSERT_TRUE(reserved.ok()) << reserved.status();
  ASSERT_EQ(reserved->to_back.size(), 1u);
  const FileRange& file = reserved->to_back[0];
  EXPECT_TRUE(file.create);
  EXPECT_EQ(file.offset, 0u);
  EXPECT_EQ(file.length, 5 * kTestPage);
  EXPECT_EQ(file.durability, v1::DURABILITY_MEMORY);
  EXPECT_THAT(file.name, StartsWith("lane-"));
  fixture.TakeEffects();
  const auto grant = Confirm(&fixture, reserved->grant.lane.lane_id());
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_EQ(grant->lane_page.offset(), 0u);
  ASSERT_EQ(grant->segments.size(), 2u);
  EXPECT_EQ(grant->segments[0].offset(), kTestPage);
  EXPECT_EQ(grant->segments[1].offset(), 3 * kTestPage);
  EXPECT_EQ(grant->stream.options().segment_bytes(), 2 * kTestPage);
  EXPECT_THAT(fixture.EventsTo(session, fixture.TakeEffects()),
              ElementsAre(HasSubstr("protection: PROTECTION_READ_WRITE")));
}

TEST(WriterOperations, CancelLeavesNothingBehind) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  fixture.AddReader(fixture.Attach("reader"));
  const size_t extents = fixture.books().extents.size();
  const auto reserved = Reserve(&fixture, Request(session));
  ASSERT_TRUE(reserved.ok());
  ASSERT_EQ(reserved->to_back.size(), 2u) << "the reader's cursor page, too";
  EXPECT_FALSE(reserved->to_back[1].create);
  const uint64_t lane_id = reserved->grant.lane.lane_id();
  fixture.TakeEffects();
  const auto cancel = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.writers().Cancel(lane_id); });
  };
  ASSERT_TRUE(cancel().ok());
  EXPECT_EQ(fixture.books().extents.size(), extents);
  EXPECT_EQ(fixture.books().lanes.size(), 0u);
  const std::vector<Effect> effects = fixture.TakeEffects();
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_EQ(std::get<RetireFile>(effects[0]).name, reserved->to_back[0].name);
  EXPECT_EQ(cancel().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Confirm(&fixture, lane_id).status().code(), absl::StatusCode::kNotFound);
}

TEST(WriterOperations, AReservationOutlivesItsSessionUntilTheIoIsOver) {
  CatalogFixture fixture;
  for (const bool evict : {false, true}) {
    const uint64_t session = fixture.Attach(evict ? "evicted" : "dead");
    const auto reserved = Reserve(&fixture, Request(session));
    ASSERT_TRUE(reserved.ok());
    const uint64_t lane_id = reserved->grant.lane.lane_id();
    if (evict) {
      ASSERT_TRUE(fixture.Evict(session).ok());
    } else {
      fixture.Die(session);
    }
    EXPECT_EQ(Confirm(&fixture, lane_id).status().code(), absl::StatusCode::kFailedPrecondition);
    ASSERT_NE(fixture.books().lanes.Find(lane_id), nullptr);
    EXPECT_TRUE(
        fixture.Do([&](Catalog& catalog) { return catalog.writers().Cancel(lane_id); }).ok());
    EXPECT_EQ(fixture.books().files.size(), 0u);
  }
}

TEST(WriterOperations, ARetryWithTheSameKeyGetsTheSameLane) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  const auto first = Reserve(&fixture, Request(session, "k"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Reserve(&fixture, Request(session, "k")).status().code(),
            absl::StatusCode::kUnavailable)
      << "the first call is under way";
  const uint64_t lane_id = first->grant.lane.lane_id();
  ASSERT_TRUE(Confirm(&fixture, lane_id).ok());
  fixture.Restart();
  ASSERT_TRUE(fixture.Resume(session).ok());
  fixture.TakeEffects();
  const auto retry = Reserve(&fixture, Request(session, "k"));
  ASSERT_TRUE(retry.ok()) << retry.status();
  EXPECT_TRUE(retry->already_open);
  EXPECT_EQ(retry->grant.lane.lane_id(), lane_id);
  EXPECT_EQ(retry->grant.segments.size(), 2u);
  EXPECT_THAT(fixture.EventsTo(session, fixture.TakeEffects()),
              ElementsAre(StartsWith("descriptor_granted")));
  OpenWriter other = Request(session, "k");
  other.stream = "t";
  EXPECT_EQ(Reserve(&fixture, other).status().code(), absl::StatusCode::kInvalidArgument);
  const uint64_t stranger = fixture.Attach("b");
  const auto theirs = Reserve(&fixture, Request(stranger, "k"));
  ASSERT_TRUE(theirs.ok());
  EXPECT_FALSE(theirs->already_open) << "keys are per session";
  EXPECT_EQ(Reserve(&fixture, Request(session, std::string(129, 'k'))).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(WriterOperations, EveryLimitIsNamedWithItsHolders) {
  Limits limits = SmallLimits();
  limits.max_lanes_per_stream = 3;
  limits.max_lanes_per_agent = 2;
  limits.max_writable_bytes_per_agent = 16 * kTestPage;
  CatalogFixture fixture(limits);
  const uint64_t a = fixture.Attach("a");
  fixture.AddWriter(a);
  const uint64_t lane = fixture.AddWriter(a);
  absl::Status status = Reserve(&fixture, Request(a)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_lanes_per_agent (2)"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"a\""));
  const uint64_t b = fixture.Attach("b");
  fixture.AddWriter(b);
  status = Reserve(&fixture, Request(b)).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_lanes_per_stream (3)"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"a\" 2, session"));
  ASSERT_TRUE(fixture.Grow(a, lane).ok());
  ASSERT_TRUE(fixture.Grow(a, lane).ok());
  status = fixture.Grow(a, lane).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("capacity_bytes (32768)"));
  ASSERT_TRUE(fixture
                  .Do([&](Catalog& catalog) {
                    return catalog.streams().Create("t", v1::StreamOptions(), 1);
                  })
                  .ok());
  limits.max_lanes_per_agent = 9;
  CatalogFixture roomy(limits);
  const uint64_t c = roomy.Attach("c");
  const uint64_t first = roomy.AddWriter(c);
  roomy.AddWriter(c);
  roomy.AddWriter(c);
  status = roomy.Grow(c, first).status();
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("max_writable_bytes_per_agent (65536)"), HasSubstr("holds 61440"),
                    HasSubstr("stream \"s\" 20480")));
}

TEST(WriterOperations, AStreamIsCreatedOnlyWhenAsked) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  OpenWriter request = Request(session);
  request.create_options.reset();
  EXPECT_EQ(Reserve(&fixture, request).status().code(), absl::StatusCode::kNotFound);
  request.create_options = v1::StreamOptions();
  request.stream = "no/slash";
  EXPECT_EQ(Reserve(&fixture, request).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fixture.books().streams.size(), 0u);
}

TEST(WriterOperations, NothingIsOpenedWithoutAConnection) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  const auto reserved = Reserve(&fixture, Request(session));
  ASSERT_TRUE(reserved.ok());
  fixture.LoseConnection(session);
  EXPECT_EQ(Reserve(&fixture, Request(session)).status().code(), absl::StatusCode::kUnavailable);
  // What is under way is brought to its end; the snapshot will say it.
  EXPECT_TRUE(Confirm(&fixture, reserved->grant.lane.lane_id()).ok());
  EXPECT_EQ(Reserve(&fixture, Request(4711)).status().code(), absl::StatusCode::kNotFound);
}

TEST(WriterOperations, SegmentsAreGrantedReturnedAndGrantedAgain) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  const uint64_t lane = fixture.AddWriter(session);
  const auto third = fixture.Grow(session, lane);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(third->offset(), 5 * kTestPage);
  const auto returned = fixture.Do(
      [&](Catalog& catalog) { return catalog.writers().BeginReturn(session, lane, kTestPage); });
  ASSERT_TRUE(returned.ok()) << returned.status();
  EXPECT_EQ(returned->to_back.offset, kTestPage);
  // Until its blocks are freed, nobody gets the range.
  const auto fourth = fixture.Grow(session, lane);
  ASSERT_TRUE(fourth.ok());
  EXPECT_EQ(fourth->offset(), 7 * kTestPage);
  EXPECT_EQ(fixture
                .Do([&](Catalog& catalog) {
                  return catalog.writers().BeginReturn(session, lane, kTestPage);
                })
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  const uint64_t extent_id = returned->extent.extent_id();
  const auto finish = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.writers().FinishReturn(extent_id); });
  };
  ASSERT_TRUE(finish().ok());
  EXPECT_TRUE(finish().ok()) << "a retry";
  const auto fifth = fixture.Grow(session, lane);
  ASSERT_TRUE(fifth.ok());
  EXPECT_EQ(fifth->offset(), kTestPage);
  // The writer did not hear the answer, and returns it again.
  EXPECT_EQ(fixture
                .Do([&](Catalog& catalog) {
                  return catalog.writers().BeginReturn(session, lane, kTestPage, extent_id);
                })
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(fixture.books().extents.Find(fifth->extent_id())->state(),
            records::Extent::STATE_GRANTED);
  EXPECT_EQ(
      fixture.Do([&](Catalog& catalog) { return catalog.writers().BeginReturn(session, lane, 0); })
          .status()
          .code(),
      absl::StatusCode::kNotFound)
      << "the lane page is no segment";
}

TEST(WriterOperations, SegmentLengthsAreCheckedAndRounded) {
  Limits limits = SmallLimits();
  limits.default_max_frame_bytes = 3 * kTestPage - 16;
  CatalogFixture fixture(limits);
  const uint64_t session = fixture.Attach("a");
  const uint64_t lane = fixture.AddWriter(session);
  const auto code = [&](uint64_t length) {
    return fixture.Grow(session, lane, length).status().code();
  };
  EXPECT_EQ(code(1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(4 * kTestPage + 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(UINT64_MAX), absl::StatusCode::kInvalidArgument);
  const auto grown = fixture.Grow(session, lane, 3 * kTestPage + 1);
  ASSERT_TRUE(grown.ok()) << grown.status();
  EXPECT_EQ(grown->length(), 4 * kTestPage);
}

TEST(WriterOperations, ASegmentKeyIsAnsweredWithTheSameSegment) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  const uint64_t lane = fixture.AddWriter(session);
  GrantSegment request{.session_id = session, .lane_id = lane, .idempotency_key = "k"};
  const auto reserve = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.writers().ReserveSegment(request); });
  };
  const auto first = reserve();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(reserve().status().code(), absl::StatusCode::kUnavailable);
  const uint64_t extent_id = first->extent.extent_id();
  ASSERT_TRUE(
      fixture.Do([&](Catalog& catalog) { return catalog.writers().ConfirmSegment(extent_id, 1); })
          .ok());
  fixture.Restart();
  const auto again = reserve();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->already_granted);
  EXPECT_EQ(again->extent.extent_id(), extent_id);
  request.length = 3 * kTestPage;
  EXPECT_EQ(reserve().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(WriterOperations, SegmentReservationsEndWithTheirLane) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  const uint64_t lane = fixture.AddWriter(session);
  const GrantSegment request{.session_id = session, .lane_id = lane};
  const auto reserve = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.writers().ReserveSegment(request); });
  };
  const auto cancelled = reserve();
  ASSERT_TRUE(cancelled.ok());
  const auto cancel = [&](uint64_t id) {
    return fixture.Do([&](Catalog& catalog) { return catalog.writers().CancelSegment(id); });
  };
  EXPECT_TRUE(cancel(cancelled->extent.extent_id()).ok());
  const auto open = reserve();
  ASSERT_TRUE(open.ok());
  const uint64_t id = open->extent.extent_id();
  const auto close = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.writers().Close(session, lane); });
  };
  ASSERT_TRUE(close().ok());
  EXPECT_EQ(fixture.Do([&](Catalog& catalog) { return catalog.writers().ConfirmSegment(id, 1); })
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(cancel(id).ok());
  EXPECT_EQ(close().code(), absl::StatusCode::kNotFound) << "nobody read it: it is gone";
  EXPECT_EQ(reserve().status().code(), absl::StatusCode::kNotFound);
}

TEST(WriterOperations, AClosedLaneStaysUntilItsReadersHaveReadIt) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  const uint64_t reader_id = fixture.AddReader(reader);
  const uint64_t lane = fixture.AddWriter(writer);
  fixture.TakeEffects();
  const auto close = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.writers().Close(writer, lane); });
  };
  ASSERT_TRUE(close().ok());
  EXPECT_TRUE(close().ok()) << "a retry";
  EXPECT_THAT(fixture.EventsTo(reader, fixture.TakeEffects()),
              ElementsAre(HasSubstr("cause: END_CAUSE_CLOSED")));
  EXPECT_EQ(fixture.Grow(writer, lane).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fixture.books().lanes.Find(lane)->state(), records::Lane::STATE_ENDED);
  ASSERT_TRUE(
      fixture.Do([&](Catalog& catalog) { return catalog.readers().Close(reader, reader_id); })
          .ok());
  EXPECT_EQ(fixture.books().lanes.Find(lane), nullptr);
  EXPECT_EQ(fixture.books().extents.size(), 0u);
}

TEST(WriterOperations, AStrangersLaneIsNotFound) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  const uint64_t thief = fixture.Attach("thief");
  const uint64_t lane = fixture.AddWriter(owner);
  EXPECT_EQ(fixture.Grow(thief, lane).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(
      fixture.Do([&](Catalog& catalog) { return catalog.writers().Close(thief, lane); }).code(),
      absl::StatusCode::kNotFound);
  EXPECT_EQ(fixture
                .Do([&](Catalog& catalog) {
                  return catalog.writers().BeginReturn(thief, lane, kTestPage);
                })
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace causeway
