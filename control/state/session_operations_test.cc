#include "control/state/session_operations.h"

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

template <typename E>
int Count(const std::vector<Effect>& effects) {
  int count = 0;
  for (const Effect& effect : effects) count += std::holds_alternative<E>(effect) ? 1 : 0;
  return count;
}

TEST(SessionOperations, AttachWelcomesTheAgent) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("camera");
  EXPECT_THAT(fixture.EventsTo(session, fixture.TakeEffects()),
              ElementsAre(HasSubstr("welcome { session_id: ")));
  const auto found = fixture.Do([](Catalog& catalog) {
    return catalog.sessions().Authenticate(CatalogFixture::TokenOf("camera"));
  });
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, session);
}

TEST(SessionOperations, AttachRefusesWhatNoAgentSends) {
  CatalogFixture fixture;
  AttachRequest good{.connection_id = 1,
                     .agent_name = "a",
                     .token_sha256 = std::string(32, 't'),
                     .now_unix_ms = 1};
  good.incarnation.set_nonce(std::string(16, 'n'));
  const auto attach = [&](const AttachRequest& request) {
    return fixture.Do([&](Catalog& catalog) { return catalog.sessions().Attach(request); })
        .status()
        .code();
  };
  AttachRequest bad = good;
  bad.agent_name = "a/b";
  EXPECT_EQ(attach(bad), absl::StatusCode::kInvalidArgument);
  bad = good;
  bad.connection_id = 0;
  EXPECT_EQ(attach(bad), absl::StatusCode::kInvalidArgument);
  bad = good;
  bad.token_sha256.pop_back();
  EXPECT_EQ(attach(bad), absl::StatusCode::kInvalidArgument);
  bad = good;
  bad.incarnation.set_nonce("short");
  EXPECT_EQ(attach(bad), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(attach(good), absl::StatusCode::kOk);
  EXPECT_EQ(attach(good), absl::StatusCode::kAlreadyExists) << "the same token";
  good.token_sha256[0] = 'u';
  EXPECT_EQ(attach(good), absl::StatusCode::kAlreadyExists) << "the same incarnation";
}

TEST(SessionOperations, AttachStopsAtTheLimitAndNamesIt) {
  Limits limits = SmallLimits();
  limits.max_agents = 2;
  CatalogFixture fixture(limits);
  const uint64_t first = fixture.Attach("a");
  fixture.Attach("b");
  const absl::Status full = fixture.TryAttach("c");
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("max_agents (2)"));
  ASSERT_TRUE(fixture.Evict(first).ok());
  EXPECT_FALSE(fixture.TryAttach("c").ok()) << "an evicted agent that lives counts";
  fixture.Exit(first);
  EXPECT_TRUE(fixture.TryAttach("c").ok());
}

TEST(SessionOperations, AStrangersTokenIsRefusedAndNothingSaysWhy) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  const records::Session row = *fixture.books().sessions.Find(session);
  ResumeRequest request{.connection_id = 9,
                        .session_id = session,
                        .incarnation = row.incarnation(),
                        .token_sha256 = std::string(32, '?')};
  const auto resume = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.sessions().Resume(request); })
        .status();
  };
  EXPECT_EQ(resume().code(), absl::StatusCode::kUnauthenticated);
  const std::string wrong_token(resume().message());
  request.session_id = 4711;
  EXPECT_EQ(resume().code(), absl::StatusCode::kUnauthenticated);
  request.session_id = session;
  request.token_sha256 = row.token_sha256().substr(0, 31);
  EXPECT_EQ(resume().code(), absl::StatusCode::kUnauthenticated) << "a prefix of the token";
  request.token_sha256 = row.token_sha256();
  request.incarnation.set_pid(1);
  EXPECT_EQ(resume().code(), absl::StatusCode::kPermissionDenied) << "a child with the token";
  request.incarnation = row.incarnation();
  request.incarnation.set_pid_namespace(1);
  EXPECT_EQ(resume().code(), absl::StatusCode::kPermissionDenied) << "the same pid elsewhere";
}

TEST(SessionOperations, LeavingEndsASessionThatNobodyIsConnectedTo) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  fixture.AddReader(session);
  const records::Session row = *fixture.books().sessions.Find(session);
  fixture.LoseConnection(session);
  ResumeRequest request{.connection_id = 9,
                        .session_id = session,
                        .incarnation = row.incarnation(),
                        .token_sha256 = std::string(32, '?')};
  const auto leave = [&] {
    return fixture.Do([&](Catalog& catalog) { return catalog.sessions().Leave(request); });
  };
  EXPECT_EQ(leave().code(), absl::StatusCode::kUnauthenticated);
  request.token_sha256 = row.token_sha256();
  request.incarnation.set_pid(1);
  EXPECT_EQ(leave().code(), absl::StatusCode::kPermissionDenied);
  request.incarnation = row.incarnation();
  EXPECT_TRUE(leave().ok());
  EXPECT_EQ(fixture.books().sessions.size(), 0u);
  EXPECT_EQ(fixture.books().readers.size(), 0);
  EXPECT_EQ(leave().code(), absl::StatusCode::kUnauthenticated);
}

TEST(SessionOperations, ResumeSaysEverythingAgainInRosterOrder) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  const uint64_t late = fixture.Attach("late");
  const uint64_t reader_id = fixture.AddReader(reader);
  const uint64_t lane = fixture.AddWriter(writer);
  const uint64_t late_id = fixture.AddReader(late);
  fixture.AddReader(late);
  fixture.TakeEffects();
  fixture.LoseConnection(writer);
  ASSERT_TRUE(fixture.Resume(writer).ok());
  const auto id = [](uint64_t value) { return std::to_string(value); };
  EXPECT_THAT(
      fixture.EventsTo(writer, fixture.TakeEffects()),
      ElementsAre(HasSubstr("resumed: true"), StartsWith("descriptor_granted"),
                  StartsWith("peer_process"),
                  AllOf(StartsWith("reader_joined"), HasSubstr("reader_id: " + id(reader_id)),
                        HasSubstr("roster_version: 1")),
                  StartsWith("peer_process"),
                  AllOf(StartsWith("reader_joined"), HasSubstr("reader_id: " + id(late_id)),
                        HasSubstr("roster_version: 2")),
                  StartsWith("reader_joined"), StartsWith("snapshot_done")));
  ASSERT_TRUE(
      fixture.Do([&](Catalog& catalog) { return catalog.writers().Close(writer, lane); }).ok());
  fixture.TakeEffects();
  fixture.LoseConnection(reader);
  ASSERT_TRUE(fixture.Resume(reader).ok());
  EXPECT_THAT(fixture.EventsTo(reader, fixture.TakeEffects()),
              ElementsAre(HasSubstr("resumed: true"), StartsWith("descriptor_granted"),
                          StartsWith("lane_opened"), StartsWith("lane_ended"),
                          StartsWith("snapshot_done")));
}

TEST(SessionOperations, ResumeOverALiveConnectionClosesTheOldOne) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("a");
  const uint64_t old_connection = fixture.ConnectionOf(session);
  fixture.TakeEffects();
  ASSERT_TRUE(fixture.Resume(session).ok());
  const std::vector<Effect> effects = fixture.TakeEffects();
  ASSERT_EQ(Count<CloseConnection>(effects), 1);
  EXPECT_EQ(std::get<CloseConnection>(effects[0]).connection_id, old_connection);
  // The news of the old one's end comes late and must not matter.
  ASSERT_TRUE(fixture
                  .Do([&](Catalog& catalog) {
                    return catalog.sessions().ConnectionLost(session, old_connection);
                  })
                  .ok());
  EXPECT_NE(fixture.ConnectionOf(session), 0u);
}

TEST(SessionOperations, OneHalfOfTheProofEndsNothing) {
  for (const bool exit_first : {false, true}) {
    CatalogFixture fixture;
    const uint64_t session = fixture.Attach("a");
    const uint64_t lane = fixture.AddWriter(session);
    if (exit_first) {
      fixture.Exit(session);
    } else {
      fixture.LoseConnection(session);
    }
    EXPECT_NE(fixture.books().lanes.Find(lane), nullptr);
    fixture.TakeEffects();
    if (exit_first) {
      fixture.LoseConnection(session);
    } else {
      fixture.Exit(session);
    }
    EXPECT_EQ(fixture.books().sessions.Find(session), nullptr);
    EXPECT_EQ(fixture.books().lanes.Find(lane), nullptr);
    EXPECT_EQ(fixture.books().extents.size(), 0u);
    EXPECT_EQ(fixture.books().files.size(), 0u);
    EXPECT_EQ(Count<SessionEnded>(fixture.TakeEffects()), 1);
  }
}

TEST(SessionOperations, EvictionKeepsEverythingUntilTheProofOfDeath) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t lane = fixture.AddWriter(writer);
  fixture.AddReader(writer, "other");
  const uint64_t held = fixture.books().extents.WritableBytes(writer);
  fixture.TakeEffects();
  ASSERT_TRUE(fixture.Evict(writer).ok());
  EXPECT_EQ(fixture.books().lanes.Find(lane)->state(), records::Lane::STATE_RETIRED);
  EXPECT_EQ(fixture.books().extents.WritableBytes(writer), held);
  int truncated = 0;
  for (const Effect& effect : fixture.TakeEffects()) {
    const auto* retire = std::get_if<RetireFile>(&effect);
    if (retire != nullptr && retire->truncate) ++truncated;
  }
  EXPECT_EQ(truncated, 1) << "the lane's file, not the cursors', which writers have mapped";
  const auto again = fixture.Do([](Catalog& catalog) {
    return catalog.sessions().Authenticate(CatalogFixture::TokenOf("writer"));
  });
  EXPECT_EQ(again.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(again.status().message()), HasSubstr("for a test"));
  EXPECT_EQ(fixture.Resume(writer).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fixture.Detach(writer).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(fixture.Evict(writer).ok()) << "twice is no error";
  fixture.Restart();
  EXPECT_EQ(fixture.books().extents.WritableBytes(writer), held) << "nor does a restart free it";
  fixture.Exit(writer);
  EXPECT_EQ(fixture.books().extents.size(), 0u);
  EXPECT_EQ(fixture.books().files.size(), 0u);
  EXPECT_EQ(fixture.books().lanes.size(), 0u);
}

TEST(SessionOperations, ReadersOfAnEvictedWriterGoOnToItsLastFrame) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  const uint64_t reader_id = fixture.AddReader(reader);
  const uint64_t lane = fixture.AddWriter(writer);
  fixture.TakeEffects();
  ASSERT_TRUE(fixture.Evict(writer).ok());
  const std::vector<Effect> effects = fixture.TakeEffects();
  EXPECT_EQ(Count<RetireFile>(effects), 0);
  EXPECT_THAT(fixture.EventsTo(reader, effects),
              ElementsAre(HasSubstr("cause: END_CAUSE_EVICTED")));
  fixture.Exit(writer);
  EXPECT_EQ(fixture.books().lanes.Find(lane)->state(), records::Lane::STATE_ENDED);
  ASSERT_TRUE(fixture
                  .Do([&](Catalog& catalog) {
                    return catalog.readers().ReleaseLane(reader, reader_id, lane);
                  })
                  .ok());
  EXPECT_EQ(fixture.books().lanes.Find(lane), nullptr);
  const std::vector<Effect> released = fixture.TakeEffects();
  ASSERT_EQ(Count<RetireFile>(released), 1);
  EXPECT_FALSE(std::get<RetireFile>(released.back()).truncate) << "its writer is dead";
}

TEST(SessionOperations, DetachEndsLanesAndReadersAndTellsTheOthers) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t both = fixture.Attach("both");
  const uint64_t own = fixture.AddWriter(both);
  fixture.AddReader(both);
  const uint64_t lane = fixture.AddWriter(writer);
  fixture.TakeEffects();
  ASSERT_TRUE(fixture.Detach(both).ok());
  const std::vector<Effect> effects = fixture.TakeEffects();
  EXPECT_THAT(fixture.EventsTo(writer, effects), ElementsAre(StartsWith("reader_left")));
  EXPECT_THAT(fixture.EventsTo(both, effects), IsEmpty());
  EXPECT_EQ(Count<CloseConnection>(effects), 1);
  EXPECT_EQ(fixture.books().lanes.Find(own), nullptr);
  EXPECT_NE(fixture.books().lanes.Find(lane), nullptr);
  EXPECT_EQ(fixture.Detach(both).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace causeway
