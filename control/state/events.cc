#include "control/state/events.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "control/api/names/stream_name.h"

namespace causeway {
namespace {

void Send(Books* books, uint64_t session_id, v1::HandoffEvent event, uint64_t file_id = 0,
          v1::Protection protection = v1::PROTECTION_UNSPECIFIED) {
  const records::Session* session = books->sessions.Find(session_id);
  if (session == nullptr || session->connection_id() == 0) return;
  books->journal.Add(SendEvent{.session_id = session_id,
                               .connection_id = session->connection_id(),
                               .event = std::move(event),
                               .descriptor_file_id = file_id,
                               .descriptor_protection = protection});
}

// The cursors among `keys` that have joined, in the order in which they did: a writer that obeys
// them one by one may announce each version as it goes.
std::vector<const records::Cursor*> JoinedInOrder(const Books& books, const records::Lane& lane) {
  std::vector<const records::Cursor*> cursors;
  for (const uint64_t reader_id : books.cursors.ReadersOf(lane.lane_id())) {
    const records::Cursor* cursor = books.cursors.Find({reader_id, lane.lane_id()});
    if (cursor->roster_version() != 0) cursors.push_back(cursor);
  }
  std::sort(cursors.begin(), cursors.end(),
            [](const auto* a, const auto* b) { return a->roster_version() < b->roster_version(); });
  return cursors;
}

}  // namespace

std::string DescribeSession(const Books& books, uint64_t session_id) {
  const records::Session* session = books.sessions.Find(session_id);
  if (session == nullptr) return absl::StrCat("session ", session_id, " (gone)");
  return absl::StrCat("session ", session_id, " ", QuotedName(session->agent_name()));
}

v1::Extent ToWire(const records::Extent& extent) {
  v1::Extent wire;
  wire.set_file_id(extent.file_id());
  wire.set_offset(extent.offset());
  wire.set_length(extent.length());
  return wire;
}

void SendDescriptor(Books* books, uint64_t session_id, uint64_t file_id,
                    v1::Protection protection) {
  const records::File* file = books->files.Find(file_id);
  v1::HandoffEvent event;
  v1::DescriptorGranted& granted = *event.mutable_descriptor_granted();
  granted.set_file_id(file_id);
  granted.set_protection(protection);
  granted.set_label(file->name());
  Send(books, session_id, std::move(event), file_id, protection);
}

void SendPeerProcess(Books* books, uint64_t session_id, uint64_t peer_session_id) {
  v1::HandoffEvent event;
  event.mutable_peer_process()->set_session_id(peer_session_id);
  Send(books, session_id, std::move(event));
}

void SendReaderJoined(Books* books, const records::Cursor& cursor) {
  const records::Lane* lane = books->lanes.Find(cursor.lane_id());
  const records::Reader* reader = books->readers.Find(cursor.reader_id());
  v1::HandoffEvent event;
  v1::ReaderJoined& joined = *event.mutable_reader_joined();
  joined.set_lane_id(cursor.lane_id());
  joined.set_reader_id(cursor.reader_id());
  *joined.mutable_cursor() = ToWire(*books->extents.Find(cursor.extent_id()));
  joined.set_roster_version(cursor.roster_version());
  joined.set_policy(reader->policy());
  joined.set_reader_session_id(reader->session_id());
  joined.set_label(absl::StrCat("reader ", cursor.reader_id(), " of ",
                                DescribeSession(*books, reader->session_id())));
  Send(books, lane->session_id(), std::move(event), reader->file_id(), v1::PROTECTION_READ);
}

void SendReaderLeft(Books* books, const records::Lane& lane, uint64_t reader_id,
                    v1::EndCause cause) {
  v1::HandoffEvent event;
  v1::ReaderLeft& left = *event.mutable_reader_left();
  left.set_lane_id(lane.lane_id());
  left.set_reader_id(reader_id);
  left.set_roster_version(lane.roster_version());
  left.set_cause(cause);
  Send(books, lane.session_id(), std::move(event));
}

void SendLaneOpened(Books* books, const records::Cursor& cursor) {
  const records::Lane* lane = books->lanes.Find(cursor.lane_id());
  const records::Reader* reader = books->readers.Find(cursor.reader_id());
  const std::map<uint64_t, uint64_t>& extents = books->extents.OfFile(lane->file_id());
  v1::HandoffEvent event;
  v1::LaneOpened& opened = *event.mutable_lane_opened();
  opened.set_reader_id(cursor.reader_id());
  opened.set_lane_id(cursor.lane_id());
  opened.set_stream_id(lane->stream_id());
  opened.set_epoch(lane->epoch());
  opened.set_file_id(lane->file_id());
  // The lane page is where every lane file begins.
  *opened.mutable_lane_page() = ToWire(*books->extents.Find(extents.at(0)));
  *opened.mutable_cursor() = ToWire(*books->extents.Find(cursor.extent_id()));
  opened.set_roster_version(cursor.roster_version());
  opened.set_writer_session_id(lane->session_id());
  opened.set_label(
      absl::StrCat("lane ", cursor.lane_id(), " of ", DescribeSession(*books, lane->session_id())));
  Send(books, reader->session_id(), std::move(event), lane->file_id(), v1::PROTECTION_READ);
}

void SendLaneEnded(Books* books, const records::Lane& lane, uint64_t reader_id) {
  v1::HandoffEvent event;
  v1::LaneEnded& ended = *event.mutable_lane_ended();
  ended.set_reader_id(reader_id);
  ended.set_lane_id(lane.lane_id());
  ended.set_cause(lane.end_cause());
  Send(books, books->readers.Find(reader_id)->session_id(), std::move(event));
}

void SendWelcome(Books* books, uint64_t session_id, bool resumed) {
  v1::HandoffEvent event;
  v1::Welcome& welcome = *event.mutable_welcome();
  welcome.set_session_id(session_id);
  welcome.set_coordinator_epoch(books->CoordinatorEpoch());
  welcome.set_resumed(resumed);
  Send(books, session_id, std::move(event));
}

void SendEvicted(Books* books, uint64_t session_id, std::string_view reason) {
  v1::HandoffEvent event;
  event.mutable_evicted()->set_reason(std::string(reason));
  Send(books, session_id, std::move(event));
}

void SendSnapshot(Books* books, uint64_t session_id) {
  absl::flat_hash_set<uint64_t> peers;  // that were named: once is enough
  const auto send_peer = [&](uint64_t peer_session_id) {
    if (peers.insert(peer_session_id).second) SendPeerProcess(books, session_id, peer_session_id);
  };
  for (const uint64_t lane_id : books->lanes.OfSession(session_id)) {
    const records::Lane* lane = books->lanes.Find(lane_id);
    if (lane->state() != records::Lane::STATE_OPEN) continue;
    SendDescriptor(books, session_id, lane->file_id(), v1::PROTECTION_READ_WRITE);
    for (const records::Cursor* cursor : JoinedInOrder(*books, *lane)) {
      send_peer(books->readers.Find(cursor->reader_id())->session_id());
      SendReaderJoined(books, *cursor);
    }
  }
  for (const uint64_t reader_id : books->readers.OfSession(session_id)) {
    const records::Reader* reader = books->readers.Find(reader_id);
    if (reader->state() != records::Reader::STATE_OPEN) continue;
    SendDescriptor(books, session_id, reader->file_id(), v1::PROTECTION_READ_WRITE);
    for (const uint64_t lane_id : books->cursors.LanesOf(reader_id)) {
      const records::Cursor* cursor = books->cursors.Find({reader_id, lane_id});
      if (cursor->roster_version() == 0) continue;
      const records::Lane* lane = books->lanes.Find(lane_id);
      const bool ended = lane->state() == records::Lane::STATE_ENDED;
      if (!ended) send_peer(lane->session_id());
      SendLaneOpened(books, *cursor);
      if (ended) SendLaneEnded(books, *lane, reader_id);
    }
  }
  for (const uint64_t split_id : books->split_workers.SplitsOf(session_id)) {
    const records::Split* split = books->splits.Find(split_id);
    SendDescriptor(books, session_id, split->source_file_id(), v1::PROTECTION_READ);
    SendDescriptor(books, session_id, split->target_file_id(), v1::PROTECTION_READ_WRITE);
  }
  v1::HandoffEvent event;
  event.mutable_snapshot_done();
  Send(books, session_id, std::move(event));
}

absl::Status RequireConnected(const Books& books, uint64_t session_id) {
  const records::Session* session = books.sessions.Find(session_id);
  if (session == nullptr) {
    return absl::NotFoundError(absl::StrCat("session ", session_id, " is gone; attach anew"));
  }
  if (session->state() == records::Session::STATE_FENCED) {
    return absl::FailedPreconditionError(
        absl::StrCat("session ", session_id, " was evicted: ", session->evict_reason()));
  }
  if (session->connection_id() == 0) {
    return absl::UnavailableError(
        absl::StrCat("the handoff connection of session ", session_id,
                     " is lost, so no descriptor can reach it; resume the session and retry"));
  }
  return absl::OkStatus();
}

}  // namespace causeway
