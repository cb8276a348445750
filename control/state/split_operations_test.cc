#include "control/state/split_operations.h"

#include <set>
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

absl::StatusOr<TakeOutcome> Take(CatalogFixture* fixture, uint64_t session_id,
                                 const std::string& name = "job") {
  return fixture->Do(
      [&](Catalog& catalog) { return catalog.splits().Take(session_id, name, fixture->now()); });
}

absl::Status Complete(CatalogFixture* fixture, uint64_t session_id, const TakeOutcome& taken,
                      const std::string& failure = "") {
  return fixture->Do([&](Catalog& catalog) {
    return catalog.splits().Complete(session_id, taken.split_id, taken.index, taken.epoch, failure);
  });
}

absl::Status Close(CatalogFixture* fixture, uint64_t session_id, uint64_t split_id) {
  return fixture->Do(
      [&](Catalog& catalog) { return catalog.splits().Close(session_id, split_id); });
}

template <typename E>
int Count(const std::vector<Effect>& effects) {
  int count = 0;
  for (const Effect& effect : effects) count += std::holds_alternative<E>(effect) ? 1 : 0;
  return count;
}

TEST(SplitOperations, AnExtentThatChangesHandsIsNotStored) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  const auto split = fixture.AddSplit(owner, "job", 1000 * kTestPage, kTestPage);
  ASSERT_TRUE(split.ok()) << split.status();
  int stored = 0;
  for (uint64_t i = 0; i < split->extent_count(); ++i) {
    const std::vector<Record> before = fixture.Stored();
    const auto taken = Take(&fixture, owner);
    ASSERT_TRUE(taken.ok()) << taken.status();
    ASSERT_TRUE(Complete(&fixture, owner, *taken).ok());
    stored += fixture.Stored() == before ? 0 : 1;
  }
  EXPECT_LE(stored, 3000 / static_cast<int>(kSequenceBlock)) << "one per block of numbers";
}

TEST(SplitOperations, TheExtentsCoverTheFileAndTheLastIsShort) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  const uint64_t worker = fixture.Attach("worker");
  const uint64_t length = 2 * kTestPage + 100;
  const auto split = fixture.AddSplit(owner, "job", length, kTestPage);
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->extent_count(), 3u);
  fixture.TakeEffects();
  uint64_t covered = 0;
  for (int i = 0; i < 3; ++i) {
    const auto taken = Take(&fixture, worker);
    ASSERT_TRUE(taken.ok()) << taken.status();
    ASSERT_EQ(taken->state, TakeOutcome::State::kGranted);
    EXPECT_EQ(taken->source.offset(), covered);
    EXPECT_EQ(taken->target.offset(), covered);
    EXPECT_EQ(taken->source.protection(), v1::PROTECTION_READ);
    EXPECT_EQ(taken->target.protection(), v1::PROTECTION_READ_WRITE);
    covered += taken->target.length();
    if (i < 2) {
      ASSERT_TRUE(Complete(&fixture, worker, *taken).ok());
      continue;
    }
    EXPECT_EQ(Take(&fixture, owner)->state, TakeOutcome::State::kWait);
    EXPECT_THAT(fixture.EventsTo(worker, fixture.TakeEffects()),
                ElementsAre(StartsWith("descriptor_granted"), StartsWith("descriptor_granted")))
        << "both files, once";
    ASSERT_TRUE(Complete(&fixture, worker, *taken).ok());
    EXPECT_TRUE(Complete(&fixture, worker, *taken).ok()) << "a retry";
  }
  EXPECT_EQ(covered, length);
  EXPECT_EQ(Take(&fixture, worker)->state, TakeOutcome::State::kFinished);
  EXPECT_EQ(Count<SplitChanged>(fixture.TakeEffects()), 1) << "who waited hears of the end";
  const auto view =
      fixture.Do([&](Catalog& catalog) { return catalog.splits().Describe(split->split_id()); });
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->split.completed_bytes(), length);
  ASSERT_EQ(view->workers.size(), 1u);
  EXPECT_EQ(view->workers[0].completed_bytes(), length);
  ASSERT_TRUE(Close(&fixture, owner, split->split_id()).ok());
  EXPECT_EQ(Count<ForgetBroughtFile>(fixture.TakeEffects()), 2);
  EXPECT_EQ(fixture.books().files.size(), 0u);
  EXPECT_EQ(Close(&fixture, owner, split->split_id()).code(), absl::StatusCode::kNotFound);
}

TEST(SplitOperations, AnEmptyFileIsFinishedAtOnce) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  ASSERT_TRUE(fixture.AddSplit(owner, "job", 0, 0).ok());
  EXPECT_EQ(Take(&fixture, owner)->state, TakeOutcome::State::kFinished);
}

TEST(SplitOperations, AnExtentGoesToAnotherOnlyAfterProofOrRelease) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  const uint64_t first = fixture.Attach("first");
  const uint64_t second = fixture.Attach("second");
  ASSERT_TRUE(fixture.AddSplit(owner, "job", kTestPage, kTestPage).ok());
  const auto taken = Take(&fixture, first);
  ASSERT_EQ(taken->state, TakeOutcome::State::kGranted);
  fixture.LoseConnection(first);
  EXPECT_EQ(Take(&fixture, second)->state, TakeOutcome::State::kWait) << "lost is not dead";
  ASSERT_TRUE(fixture.Evict(first).ok());
  EXPECT_EQ(Take(&fixture, second)->state, TakeOutcome::State::kWait) << "fenced is not dead";
  fixture.TakeEffects();
  fixture.Exit(first);
  EXPECT_EQ(Count<SplitChanged>(fixture.TakeEffects()), 1) << "who waits may ask again";
  const auto again = Take(&fixture, second);
  ASSERT_EQ(again->state, TakeOutcome::State::kGranted);
  EXPECT_EQ(again->index, taken->index);
  EXPECT_GT(again->epoch, taken->epoch);
  EXPECT_EQ(Complete(&fixture, first, *taken).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Complete(&fixture, second, *taken).code(), absl::StatusCode::kFailedPrecondition)
      << "the old epoch";
  ASSERT_TRUE(fixture.Detach(second).ok());
  const auto third = Take(&fixture, owner);
  ASSERT_EQ(third->state, TakeOutcome::State::kGranted) << "detaching releases";
  ASSERT_TRUE(Complete(&fixture, owner, *third).ok());
  const auto view =
      fixture.Do([&](Catalog& catalog) { return catalog.splits().Describe(third->split_id); });
  EXPECT_EQ(view->split.regranted(), 2u);
}

TEST(SplitOperations, AWorkersFailureFailsTheSplit) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  ASSERT_TRUE(fixture.AddSplit(owner, "job", 4 * kTestPage, kTestPage).ok());
  const auto first = Take(&fixture, owner);
  const auto second = Take(&fixture, owner);
  ASSERT_TRUE(Complete(&fixture, owner, *first, "disk on fire").ok());
  const absl::Status aborted = Take(&fixture, owner).status();
  EXPECT_EQ(aborted.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(aborted.message()), HasSubstr("extent 0: disk on fire"));
  ASSERT_TRUE(Complete(&fixture, owner, *second, "later").ok());
  const auto view =
      fixture.Do([&](Catalog& catalog) { return catalog.splits().Describe(first->split_id); });
  EXPECT_EQ(view->split.failure(), "extent 0: disk on fire") << "the first cause stays";
}

TEST(SplitOperations, AClosedSplitKeepsItsFilesWhileAWorkerHoldsThem) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  const uint64_t worker = fixture.Attach("worker");
  const auto split = fixture.AddSplit(owner, "job", 2 * kTestPage, kTestPage);
  ASSERT_TRUE(split.ok());
  const auto taken = Take(&fixture, worker);
  EXPECT_EQ(Close(&fixture, worker, split->split_id()).code(), absl::StatusCode::kNotFound)
      << "not the owner";
  ASSERT_TRUE(Close(&fixture, owner, split->split_id()).ok());
  EXPECT_EQ(Take(&fixture, worker).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fixture.books().files.size(), 2u);
  const OpenSplit again{.session_id = owner,
                        .name = "again",
                        .source_file_id = split->source_file_id(),
                        .target_file_id = split->target_file_id(),
                        .length = kTestPage};
  const absl::Status in_use =
      fixture.Do([&](Catalog& catalog) { return catalog.splits().Open(again); }).status();
  EXPECT_EQ(in_use.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(in_use.message()), HasSubstr("\"worker\""));
  EXPECT_TRUE(fixture.AddSplit(owner, "job", kTestPage, 0).ok()) << "the name is free";
  fixture.TakeEffects();
  ASSERT_TRUE(Complete(&fixture, worker, *taken).ok());
  EXPECT_EQ(Count<ForgetBroughtFile>(fixture.TakeEffects()), 2);
}

TEST(SplitOperations, ADeadOwnerClosesItsSplits) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  const uint64_t worker = fixture.Attach("worker");
  ASSERT_TRUE(fixture.AddSplit(owner, "job", 2 * kTestPage, kTestPage).ok());
  fixture.Bring(owner, 1);
  const auto taken = Take(&fixture, worker);
  fixture.TakeEffects();
  fixture.Die(owner);
  const std::vector<Effect> effects = fixture.TakeEffects();
  EXPECT_EQ(Count<SplitChanged>(effects), 1);
  EXPECT_EQ(Count<ForgetBroughtFile>(effects), 1) << "the one that no split uses";
  EXPECT_EQ(Take(&fixture, worker).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Complete(&fixture, worker, *taken).ok());
  EXPECT_EQ(fixture.books().files.size(), 0u);
  EXPECT_EQ(fixture.books().splits.size(), 0u);
}

TEST(SplitOperations, OpenRefusesWhatCannotBeSplit) {
  Limits limits = SmallLimits();
  limits.max_extents_per_split = 4;
  limits.max_splits_per_agent = 1;
  limits.max_brought_files_per_agent = 4;
  CatalogFixture fixture(limits);
  const uint64_t owner = fixture.Attach("owner");
  const uint64_t source = fixture.Bring(owner, 100 * kTestPage, v1::PROTECTION_READ);
  const uint64_t target = fixture.Bring(owner, 100 * kTestPage);
  const uint64_t small = fixture.Bring(owner, 1);
  const auto open = [&](uint64_t from, uint64_t to, uint64_t length, uint64_t extent_bytes,
                        const std::string& name = "job") {
    const OpenSplit request{.session_id = owner,
                            .name = name,
                            .source_file_id = from,
                            .target_file_id = to,
                            .length = length,
                            .extent_bytes = extent_bytes};
    return fixture.Do([&](Catalog& catalog) { return catalog.splits().Open(request); });
  };
  using absl::StatusCode;
  EXPECT_EQ(open(source, source, 1, 0).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(open(target, source, 1, 0).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(open(source, 4711, 1, 0).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(open(source, small, 2, 0).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(open(source, target, UINT64_MAX, 0).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(open(source, target, 1, 100).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(open(source, target, 1, 0, "a/b").status().code(), StatusCode::kInvalidArgument);
  const absl::Status many = open(source, target, 5 * kTestPage, kTestPage).status();
  EXPECT_EQ(many.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(many.message()), HasSubstr("max_extents_per_split (4)"));
  const auto chosen = open(source, target, 100 * kTestPage, 0);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_LE(chosen->extent_count(), 4u) << "the default bends to the limit";
  EXPECT_EQ(open(source, small, 1, 0, "other").status().code(), StatusCode::kFailedPrecondition);
  const uint64_t spare = fixture.Bring(owner, 1, v1::PROTECTION_READ);
  EXPECT_EQ(open(spare, small, 1, 0).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(open(spare, small, 1, 0, "other").status().code(), StatusCode::kResourceExhausted);
  const BringFile one_more{.session_id = owner, .protection = v1::PROTECTION_READ};
  EXPECT_EQ(fixture.Do([&](Catalog& catalog) { return catalog.splits().Bring(one_more); })
                .status()
                .code(),
            StatusCode::kResourceExhausted);
}

TEST(SplitOperations, ASplitEndsWithTheCoordinatorAndIdsAreNotUsedAgain) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  const auto split = fixture.AddSplit(owner, "job", 2 * kTestPage, kTestPage);
  ASSERT_TRUE(split.ok());
  const auto taken = Take(&fixture, owner);
  fixture.Restart();
  ASSERT_TRUE(fixture.Resume(owner).ok());
  EXPECT_EQ(fixture.books().splits.size(), 0u);
  EXPECT_EQ(fixture.books().files.size(), 0u);
  EXPECT_EQ(Take(&fixture, owner).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Complete(&fixture, owner, *taken).code(), absl::StatusCode::kNotFound);
  const auto again = fixture.AddSplit(owner, "job", 2 * kTestPage, kTestPage);
  ASSERT_TRUE(again.ok());
  EXPECT_GT(again->split_id(), split->split_id());
  EXPECT_GT(Take(&fixture, owner)->epoch, taken->epoch);
}

TEST(SplitOperations, AResumedWorkerGetsItsDescriptorsAgain) {
  CatalogFixture fixture;
  const uint64_t owner = fixture.Attach("owner");
  const uint64_t worker = fixture.Attach("worker");
  ASSERT_TRUE(fixture.AddSplit(owner, "job", 2 * kTestPage, kTestPage).ok());
  ASSERT_TRUE(Take(&fixture, worker).ok());
  fixture.LoseConnection(worker);
  EXPECT_EQ(Take(&fixture, worker).status().code(), absl::StatusCode::kUnavailable);
  fixture.TakeEffects();
  ASSERT_TRUE(fixture.Resume(worker).ok());
  EXPECT_THAT(
      fixture.EventsTo(worker, fixture.TakeEffects()),
      ElementsAre(StartsWith("welcome"), HasSubstr("protection: PROTECTION_READ "),
                  HasSubstr("protection: PROTECTION_READ_WRITE "), StartsWith("snapshot_done")));
}

}  // namespace
}  // namespace causeway
