// Whatever the store returns, the coordinator either has a state that holds or says what is wrong.

#include "control/state/restore.h"

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "control/state/catalog.h"
#include "control/state/catalog_fixture.h"
#include "control/state/row.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;

absl::Status Restore(const std::vector<Record>& records) {
  return Catalog::FromRecords(records, SmallLimits()).status();
}

// Changes the first row of a table.
template <typename Row, typename Change>
std::vector<Record> Changed(std::vector<Record> records, Change change) {
  for (Record& record : records) {
    if (record.table != RowTraits<Row>::kTable) continue;
    Row row;
    EXPECT_TRUE(row.ParseFromString(record.value));
    change(&row);
    record.value = row.SerializeAsString();
    return records;
  }
  ADD_FAILURE() << "no such row";
  return records;
}

TEST(Restore, WhatWasStoredIsAccepted) { EXPECT_TRUE(Restore(BusyRecords()).ok()); }

TEST(Restore, ANewerFormatIsRefusedByName) {
  const absl::Status status = Restore(Changed<records::Meta>(
      BusyRecords(), [](records::Meta* meta) { meta->set_format(kRecordsFormat + 1); }));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("format 2"));
}

TEST(Restore, DamageIsNamed) {
  const std::vector<Record> good = BusyRecords();
  std::vector<std::pair<std::string, std::vector<Record>>> cases;
  std::vector<Record> records = good;
  records[0].value = "\xff\xff";
  cases.emplace_back("cannot be parsed", records);
  records = good;
  records[0].key += "x";
  cases.emplace_back("key of another row", records);
  records = good;
  records[0].table = "martian";
  cases.emplace_back("unknown table", records);
  cases.emplace_back("invariant 1",
                     Changed<records::Meta>(good, [](auto* row) { row->set_next_id(2); }));
  cases.emplace_back("format",
                     Changed<records::Meta>(good, [](auto* row) { row->clear_format(); }));
  cases.emplace_back("invariant 2", Changed<records::File>(good, [](auto* row) {
                       row->set_session_id(row->session_id() + 1);
                     }));
  cases.emplace_back("never have been stored", Changed<records::File>(good, [](auto* row) {
                       row->set_kind(records::File::KIND_BROUGHT);
                     }));
  cases.emplace_back("no file has", Changed<records::Extent>(good, [](auto* row) {
                       row->set_offset(~uint64_t{0} - 4095);
                     }));
  cases.emplace_back("no file has",
                     Changed<records::Extent>(good, [](auto* row) { row->set_length(0); }));
  cases.emplace_back("overlaps extent", Changed<records::Extent>(good, [](auto* row) {
                       row->set_length(row->length() + kTestPage);
                     }));
  cases.emplace_back("invariant 8", Changed<records::Lane>(good, [](auto* row) {
                       row->set_end_cause(v1::END_CAUSE_DIED);
                     }));
  cases.emplace_back("invariant 9", Changed<records::Cursor>(
                                        good, [](auto* row) { row->set_roster_version(99); }));
  cases.emplace_back("invariant 10",
                     Changed<records::Stream>(good, [](auto* row) { row->set_name("a/b"); }));
  cases.emplace_back("invariant 10", Changed<records::Stream>(good, [](auto* row) {
                       row->mutable_options()->clear_segment_bytes();
                     }));
  for (const auto& [what, damaged] : cases) {
    const absl::Status status = Restore(damaged);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }
}

TEST(Restore, AMissingRecordIsNoticed) {
  const std::vector<Record> good = BusyRecords();
  for (size_t i = 0; i < good.size(); ++i) {
    // A segment may be missing: the store would have to lie for that, and nothing refers to it.
    records::Extent extent;
    if (good[i].table == "extent" && extent.ParseFromString(good[i].value) &&
        extent.purpose() == records::Extent::PURPOSE_SEGMENT) {
      continue;
    }
    // Without the session of an evicted writer, its lane looks like that of a dead one.
    records::Session session;
    if (good[i].table == "session" && session.ParseFromString(good[i].value) &&
        session.state() == records::Session::STATE_FENCED) {
      continue;
    }
    std::vector<Record> records = good;
    records.erase(records.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(Restore(records).code(), absl::StatusCode::kDataLoss)
        << good[i].table << " record " << i;
  }
}

TEST(Restore, NoDamageBringsTheCoordinatorDown) {
  const std::vector<Record> good = BusyRecords();
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 3000; ++i) {
    std::vector<Record> records = good;
    for (uint64_t n = 1 + random() % 3; n > 0; --n) {
      Record& record = records[random() % records.size()];
      std::string& bytes = random() % 8 == 0 ? record.key : record.value;
      if (bytes.empty()) continue;
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << (random() % 8));
    }
    auto restored = Catalog::FromRecords(records, SmallLimits());
    if (restored.ok()) {
      (*restored)->BeginEpoch();
      const absl::Status invariants = (*restored)->CheckInvariants();
      EXPECT_TRUE(invariants.ok()) << invariants;
    }
  }
}

}  // namespace
}  // namespace causeway
