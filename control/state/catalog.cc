#include "control/state/catalog.h"

#include <utility>

#include "control/state/invariants.h"
#include "control/state/lifecycle.h"
#include "control/state/reservation.h"
#include "control/state/restore.h"

namespace causeway {
namespace {

template <typename Table>
void AppendRecords(const Table& table, std::vector<Record>* records) {
  for (const auto& [key, row] : table.rows()) {
    using Traits = RowTraits<std::decay_t<decltype(row)>>;
    if (!Traits::InStore(row)) continue;
    records->push_back(
        Record{std::string(Traits::kTable), EncodeKey(key), row.SerializeAsString()});
  }
}

template <typename Table>
void AppendText(const Table& table, std::string* text) {
  for (const auto& [key, row] : table.rows()) {
    text->append(RowTraits<std::decay_t<decltype(row)>>::kTable);
    text->append(" { ");
    text->append(row.ShortDebugString());
    text->append(" }\n");
  }
}

}  // namespace

Catalog::Catalog(const Limits& limits) : books_(limits) {}

absl::StatusOr<std::unique_ptr<Catalog>> Catalog::FromRecords(absl::Span<const Record> records,
                                                              const Limits& limits) {
  if (absl::Status status = ValidateLimits(limits); !status.ok()) return status;
  std::unique_ptr<Catalog> catalog(new Catalog(limits));
  if (absl::Status status = RestoreBooks(records, &catalog->books_); !status.ok()) return status;
  return catalog;
}

EpochStart Catalog::BeginEpoch() {
  EpochStart start{.coordinator_epoch = books_.RaiseCoordinatorEpoch()};
  std::vector<records::Session> sessions;
  for (const auto& [session_id, session] : books_.sessions.rows()) sessions.push_back(session);
  for (records::Session& session : sessions) {
    session.set_connection_id(0);
    if (session.state() == records::Session::STATE_ATTACHED) {
      session.set_state(records::Session::STATE_DISCONNECTED);
    }
    // What the last coordinator saw of the process is looked at again.
    session.set_process_exited(false);
    books_.sessions.Put(session);
  }
  start.to_check = std::move(sessions);

  std::vector<uint64_t> lanes;
  for (const auto& [lane_id, lane] : books_.lanes.rows()) {
    if (lane.state() == records::Lane::STATE_RESERVED) lanes.push_back(lane_id);
  }
  for (const uint64_t lane_id : lanes) DropReservedLane(&books_, lane_id);
  std::vector<uint64_t> readers;
  for (const auto& [reader_id, reader] : books_.readers.rows()) {
    if (reader.state() == records::Reader::STATE_RESERVED) readers.push_back(reader_id);
  }
  for (const uint64_t reader_id : readers) DropReservedReader(&books_, reader_id);

  std::vector<uint64_t> segments;
  for (const auto& [extent_id, extent] : books_.extents.rows()) {
    if (extent.purpose() == records::Extent::PURPOSE_SEGMENT &&
        extent.state() != records::Extent::STATE_GRANTED) {
      segments.push_back(extent_id);
      start.to_free.push_back(RangeOf(books_, extent));
    }
  }
  for (const uint64_t extent_id : segments) books_.extents.Erase(extent_id);
  return start;
}

uint64_t Catalog::coordinator_epoch() const { return books_.CoordinatorEpoch(); }

std::vector<Record> Catalog::Records() const {
  // In the order of the tables' names, as a store returns them.
  std::vector<Record> records;
  AppendRecords(books_.cursors, &records);
  AppendRecords(books_.extents, &records);
  AppendRecords(books_.files, &records);
  AppendRecords(books_.lanes, &records);
  AppendRecords(books_.meta, &records);
  AppendRecords(books_.readers, &records);
  AppendRecords(books_.sessions, &records);
  AppendRecords(books_.streams, &records);
  return records;
}

std::string Catalog::Dump() const {
  std::string text;
  AppendText(books_.meta, &text);
  AppendText(books_.sessions, &text);
  AppendText(books_.streams, &text);
  AppendText(books_.files, &text);
  AppendText(books_.extents, &text);
  AppendText(books_.lanes, &text);
  AppendText(books_.readers, &text);
  AppendText(books_.cursors, &text);
  AppendText(books_.splits, &text);
  AppendText(books_.split_extents, &text);
  AppendText(books_.split_workers, &text);
  return text;
}

absl::Status Catalog::CheckInvariants() const { return causeway::CheckInvariants(books_); }

}  // namespace causeway
