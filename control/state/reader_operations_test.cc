#include "control/state/reader_operations.h"

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
using ::testing::IsEmpty;
using ::testing::StartsWith;

OpenReader Request(uint64_t session_id, const std::string& key = "") {
  return OpenReader{.session_id = session_id,
                    .stream = "s",
                    .create_options = v1::StreamOptions(),
                    .idempotency_key = key,
                    .now_unix_ms = 7};
}

absl::StatusOr<ReaderReservation> Reserve(CatalogFixture* fixture, const OpenReader& request) {
  return fixture->Do([&](Catalog& catalog) { return catalog.readers().Reserve(request); });
}

absl::StatusOr<ReaderConfirmation> Confirm(CatalogFixture* fixture, uint64_t reader_id) {
  return fixture->Do(
      [&](Catalog& catalog) { return catalog.readers().Confirm(reader_id, fixture->now()); });
}

uint64_t ReserveWriter(CatalogFixture* fixture, uint64_t session_id) {
  const OpenWriter request{
      .session_id = session_id, .stream = "s", .create_options = v1::StreamOptions()};
  const auto reserved =
      fixture->Do([&](Catalog& catalog) { return catalog.writers().Reserve(request); });
  return reserved.ok() ? reserved->grant.lane.lane_id() : 0;
}

absl::Status ConfirmWriter(CatalogFixture* fixture, uint64_t lane_id) {
  return fixture->Do([&](Catalog& catalog) { return catalog.writers().Confirm(lane_id, 1); })
      .status();
}

absl::Status Release(CatalogFixture* fixture, uint64_t session, uint64_t reader, uint64_t lane) {
  return fixture->Do(
      [&](Catalog& catalog) { return catalog.readers().ReleaseLane(session, reader, lane); });
}

TEST(ReaderOperations, APolicyThatIsNotSetBlocks) {
  CatalogFixture fixture;
  const auto reserved = Reserve(&fixture, Request(fixture.Attach("a")));
  ASSERT_TRUE(reserved.ok()) << reserved.status();
  EXPECT_EQ(reserved->grant.reader.policy(), v1::READER_POLICY_BLOCK);
}

TEST(ReaderOperations, APolicyThatIsUnknownIsRefusedByName) {
  CatalogFixture fixture;
  OpenReader request = Request(fixture.Attach("a"));
  request.policy = static_cast<v1::ReaderPolicy>(77);
  const auto reserved = Reserve(&fixture, request);
  EXPECT_EQ(reserved.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(reserved.status().message()), HasSubstr("policy 77"));
  EXPECT_EQ(fixture.catalog().books().streams.FindByName("s"), nullptr);
}

TEST(ReaderOperations, TheWriterIsToldThePolicyNowAndAfterAResume) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("w");
  const uint64_t lane = ReserveWriter(&fixture, writer);
  ASSERT_TRUE(ConfirmWriter(&fixture, lane).ok());
  OpenReader request = Request(fixture.Attach("r"), "key");
  request.policy = v1::READER_POLICY_DROP;
  const auto reserved = Reserve(&fixture, request);
  ASSERT_TRUE(reserved.ok()) << reserved.status();
  ASSERT_TRUE(Confirm(&fixture, reserved->grant.reader.reader_id()).ok());
  const auto told = [&] {
    for (const std::string& event : fixture.EventsTo(writer, fixture.TakeEffects())) {
      if (event.find("READER_POLICY_DROP") != std::string::npos) return true;
    }
    return false;
  };
  EXPECT_TRUE(told());
  fixture.Restart();
  ASSERT_TRUE(fixture.Resume(writer).ok());
  EXPECT_TRUE(told());
  ASSERT_TRUE(fixture.Resume(request.session_id).ok());
  // The same key cannot change it.
  request.policy = v1::READER_POLICY_EVICT;
  EXPECT_EQ(Reserve(&fixture, request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ReaderOperations, AReaderOfAnEmptyStreamHasAnEmptyFile) {
  CatalogFixture fixture;
  const auto reserved = Reserve(&fixture, Request(fixture.Attach("a")));
  ASSERT_TRUE(reserved.ok()) << reserved.status();
  ASSERT_EQ(reserved->to_back.size(), 1u);
  EXPECT_TRUE(reserved->to_back[0].create);
  EXPECT_EQ(reserved->to_back[0].length, 0u);
  const auto confirmed = Confirm(&fixture, reserved->grant.reader.reader_id());
  ASSERT_TRUE(confirmed.ok());
  EXPECT_TRUE(confirmed->complete);
}

TEST(ReaderOperations, JoiningTellsBothSidesTheSameVersionAndPage) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  fixture.AddWriter(writer);
  fixture.AddWriter(writer);
  fixture.TakeEffects();
  fixture.AddReader(reader);
  const std::vector<Effect> effects = fixture.TakeEffects();
  EXPECT_THAT(fixture.EventsTo(reader, effects),
              ElementsAre(StartsWith("descriptor_granted"), StartsWith("peer_process"),
                          StartsWith("lane_opened"), StartsWith("peer_process"),
                          StartsWith("lane_opened")));
  std::vector<v1::ReaderJoined> joined;
  std::vector<v1::LaneOpened> opened;
  for (const Effect& effect : effects) {
    const SendEvent& send = std::get<SendEvent>(effect);
    if (send.event.has_reader_joined()) {
      joined.push_back(send.event.reader_joined());
      EXPECT_EQ(send.descriptor_protection, v1::PROTECTION_READ) << "of the cursor file";
    }
    if (send.event.has_lane_opened()) {
      opened.push_back(send.event.lane_opened());
      EXPECT_EQ(send.descriptor_file_id, send.event.lane_opened().file_id());
      EXPECT_EQ(send.descriptor_protection, v1::PROTECTION_READ) << "of the lane's file";
    }
  }
  ASSERT_EQ(joined.size(), 2u);
  ASSERT_EQ(opened.size(), 2u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(joined[i].lane_id(), opened[i].lane_id());
    EXPECT_EQ(joined[i].roster_version(), 1u);
    EXPECT_EQ(opened[i].roster_version(), 1u);
    EXPECT_EQ(joined[i].cursor().offset(), opened[i].cursor().offset());
    EXPECT_EQ(opened[i].cursor().offset(), i * kTestPage) << "one page per lane";
    EXPECT_EQ(opened[i].lane_page().offset(), 0u);
  }
}

TEST(ReaderOperations, EveryOrderOfReservingAndConfirmingEndsJoined) {
  // The steps of one lane (a, A) and one reader (b, B), in every order that keeps a before A.
  for (const std::string order : {"aAbB", "abAB", "abBA", "baAB", "baBA", "bBaA"}) {
    CatalogFixture fixture;
    const uint64_t writer = fixture.Attach("writer");
    const uint64_t reader = fixture.Attach("reader");
    uint64_t lane = 0;
    uint64_t reader_id = 0;
    for (const char step : order) {
      if (step == 'a') lane = ReserveWriter(&fixture, writer);
      if (step == 'A') {
        ASSERT_TRUE(ConfirmWriter(&fixture, lane).ok());
      }
      if (step == 'b') reader_id = Reserve(&fixture, Request(reader))->grant.reader.reader_id();
      if (step != 'B') continue;
      auto confirmed = Confirm(&fixture, reader_id);
      ASSERT_TRUE(confirmed.ok()) << confirmed.status();
      if (order[0] == 'b' && order[1] == 'a') {
        // The lane came while the cursor file was being made.
        ASSERT_FALSE(confirmed->complete);
        ASSERT_EQ(confirmed->to_back.size(), 1u);
        EXPECT_FALSE(confirmed->to_back[0].create);
        EXPECT_EQ(confirmed->to_back[0].length, kTestPage);
        confirmed = Confirm(&fixture, reader_id);
        ASSERT_TRUE(confirmed.ok());
      }
      EXPECT_TRUE(confirmed->complete);
    }
    const records::Cursor* cursor = fixture.books().cursors.Find({reader_id, lane});
    ASSERT_NE(cursor, nullptr) << order;
    EXPECT_EQ(cursor->roster_version(), 1u) << order;
    const std::vector<Effect> effects = fixture.TakeEffects();
    EXPECT_THAT(fixture.EventsTo(writer, effects),
                ElementsAre(StartsWith("welcome"), StartsWith("descriptor_granted"),
                            StartsWith("peer_process"), StartsWith("reader_joined")))
        << order;
    EXPECT_THAT(fixture.EventsTo(reader, effects),
                ElementsAre(StartsWith("welcome"), StartsWith("descriptor_granted"),
                            StartsWith("peer_process"), StartsWith("lane_opened")))
        << order;
  }
}

TEST(ReaderOperations, ALaneThatEndsBeforeTheReaderIsOpenIsNotFollowed) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  const uint64_t lane = fixture.AddWriter(writer);
  const auto reserved = Reserve(&fixture, Request(reader));
  ASSERT_TRUE(reserved.ok());
  EXPECT_EQ(reserved->to_back[0].length, kTestPage);
  fixture.Die(writer);
  EXPECT_EQ(fixture.books().lanes.Find(lane), nullptr);
  fixture.TakeEffects();
  const auto confirmed = Confirm(&fixture, reserved->grant.reader.reader_id());
  ASSERT_TRUE(confirmed.ok());
  EXPECT_TRUE(confirmed->complete);
  EXPECT_THAT(fixture.EventsTo(reader, fixture.TakeEffects()),
              ElementsAre(StartsWith("descriptor_granted")));
}

TEST(ReaderOperations, AnEndedLaneIsNotFollowedByNewReaders) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  const uint64_t first = fixture.AddReader(reader);
  const uint64_t lane = fixture.AddWriter(writer);
  fixture.Die(writer);
  const uint64_t second = fixture.AddReader(reader);
  EXPECT_NE(fixture.books().cursors.Find({first, lane}), nullptr);
  EXPECT_EQ(fixture.books().cursors.Find({second, lane}), nullptr);
}

TEST(ReaderOperations, OnlyAnEndedLaneCanBeReleased) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  const uint64_t reader_id = fixture.AddReader(reader);
  const uint64_t lane = fixture.AddWriter(writer);
  EXPECT_EQ(Release(&fixture, reader, reader_id, lane).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Release(&fixture, writer, reader_id, lane).code(), absl::StatusCode::kNotFound)
      << "a stranger's reader";
  EXPECT_TRUE(Release(&fixture, reader, reader_id, 4711).ok());
  fixture.Die(writer);
  EXPECT_TRUE(Release(&fixture, reader, reader_id, lane).ok());
  EXPECT_TRUE(Release(&fixture, reader, reader_id, lane).ok()) << "a retry";
  EXPECT_EQ(fixture.books().lanes.size(), 0u);
}

TEST(ReaderOperations, ThePageOfAReleasedLaneIsUsedAgain) {
  CatalogFixture fixture;
  const uint64_t reader = fixture.Attach("reader");
  const uint64_t reader_id = fixture.AddReader(reader);
  for (int i = 0; i < 5; ++i) {
    const uint64_t writer = fixture.Attach("writer" + std::to_string(i));
    const uint64_t lane = fixture.AddWriter(writer);
    const records::Cursor* cursor = fixture.books().cursors.Find({reader_id, lane});
    ASSERT_NE(cursor, nullptr);
    EXPECT_EQ(fixture.books().extents.Find(cursor->extent_id())->offset(), 0u);
    fixture.Die(writer);
    ASSERT_TRUE(Release(&fixture, reader, reader_id, lane).ok());
  }
}

TEST(ReaderOperations, LeavingTellsTheWriterWithAHigherVersion) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  fixture.AddWriter(writer);
  const uint64_t reader_id = fixture.AddReader(reader);
  fixture.TakeEffects();
  const auto close = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.readers().Close(reader, reader_id); });
  };
  ASSERT_TRUE(close().ok());
  const std::vector<Effect> effects = fixture.TakeEffects();
  EXPECT_THAT(fixture.EventsTo(writer, effects),
              ElementsAre(AllOf(StartsWith("reader_left"), HasSubstr("roster_version: 2"),
                                HasSubstr("END_CAUSE_CLOSED"))));
  ASSERT_EQ(effects.size(), 2u);
  EXPECT_FALSE(std::get<RetireFile>(effects[1]).truncate) << "the writer may still look at it";
  EXPECT_EQ(close().code(), absl::StatusCode::kNotFound);
}

TEST(ReaderOperations, ADeadReaderLeavesEveryLane) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  fixture.AddWriter(writer);
  fixture.AddWriter(writer);
  fixture.AddReader(reader);
  fixture.LoseConnection(writer);
  fixture.TakeEffects();
  fixture.Die(reader);
  EXPECT_THAT(fixture.EventsTo(writer, fixture.TakeEffects()), IsEmpty());
  ASSERT_TRUE(fixture.Resume(writer).ok());
  EXPECT_THAT(fixture.EventsTo(writer, fixture.TakeEffects()),
              ElementsAre(StartsWith("welcome"), StartsWith("descriptor_granted"),
                          StartsWith("descriptor_granted"), StartsWith("snapshot_done")))
      << "who is not said again is gone";
}

TEST(ReaderOperations, KeysLimitsAndCancel) {
  Limits limits = SmallLimits();
  limits.max_readers_per_agent = 2;
  limits.max_readers_per_stream = 3;
  CatalogFixture fixture(limits);
  const uint64_t a = fixture.Attach("a");
  const auto first = Reserve(&fixture, Request(a, "k"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Reserve(&fixture, Request(a, "k")).status().code(), absl::StatusCode::kUnavailable);
  const uint64_t reader_id = first->grant.reader.reader_id();
  ASSERT_TRUE(Confirm(&fixture, reader_id).ok());
  const auto again = Reserve(&fixture, Request(a, "k"));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->already_open);
  EXPECT_EQ(again->grant.reader.reader_id(), reader_id);
  const auto second = Reserve(&fixture, Request(a));
  ASSERT_TRUE(second.ok());
  absl::Status full = Reserve(&fixture, Request(a)).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("max_readers_per_agent (2)"));
  const uint64_t b = fixture.Attach("b");
  ASSERT_TRUE(Reserve(&fixture, Request(b)).ok());
  full = Reserve(&fixture, Request(b)).status();
  EXPECT_THAT(std::string(full.message()), HasSubstr("max_readers_per_stream (3)"));
  const uint64_t cancelled = second->grant.reader.reader_id();
  const auto cancel = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.readers().Cancel(cancelled); });
  };
  EXPECT_TRUE(cancel().ok());
  EXPECT_EQ(cancel().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Reserve(&fixture, Request(b)).ok());
}

TEST(ReaderOperations, ARestartTakesReservationsBack) {
  CatalogFixture fixture;
  const uint64_t a = fixture.Attach("a");
  const uint64_t lane = fixture.AddWriter(a);
  ReserveWriter(&fixture, a);
  ASSERT_TRUE(Reserve(&fixture, Request(a)).ok());
  const GrantSegment request{.session_id = a, .lane_id = lane};
  const auto segment =
      fixture.Do([&](Catalog& catalog) { return catalog.writers().ReserveSegment(request); });
  ASSERT_TRUE(segment.ok());
  const EpochStart start = fixture.Restart();
  EXPECT_EQ(start.coordinator_epoch, 2u);
  EXPECT_EQ(start.to_check.size(), 1u);
  ASSERT_EQ(start.to_free.size(), 1u);
  EXPECT_EQ(start.to_free[0].offset, segment->to_back.offset);
  EXPECT_EQ(fixture.books().files.size(), 1u);
  EXPECT_EQ(fixture.books().lanes.size(), 1u);
  EXPECT_EQ(fixture.books().readers.size(), 0u);
  EXPECT_EQ(fixture.books().sessions.Find(a)->state(), records::Session::STATE_DISCONNECTED);
  EXPECT_EQ(fixture.TakeEffects().size(), 2u) << "two files to unlink";
}

}  // namespace
}  // namespace causeway
