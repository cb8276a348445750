// Events to agents: which one, to whom, with which descriptor.

#ifndef CAUSEWAY_CONTROL_STATE_EVENTS_H_
#define CAUSEWAY_CONTROL_STATE_EVENTS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "control/api/v1/handoff.pb.h"
#include "control/state/books.h"
#include "control/state/records.pb.h"

namespace causeway {

// `session 5 "camera"`, or `session 5 (gone)`: for messages.
std::string DescribeSession(const Books& books, uint64_t session_id);

v1::Extent ToWire(const records::Extent& extent);

// Each adds an effect that sends an event, if the session is connected; if it is not, the snapshot
// that it gets when it resumes will say the same.

void SendDescriptor(Books* books, uint64_t session_id, uint64_t file_id, v1::Protection protection);
// The process of another session, before what is said of its readers and lanes.
void SendPeerProcess(Books* books, uint64_t session_id, uint64_t peer_session_id);
// To the lane's writer: obey this cursor.
void SendReaderJoined(Books* books, const records::Cursor& cursor);
void SendReaderLeft(Books* books, const records::Lane& lane, uint64_t reader_id,
                    v1::EndCause cause);
// To the reader: follow this lane.
void SendLaneOpened(Books* books, const records::Cursor& cursor);
void SendLaneEnded(Books* books, const records::Lane& lane, uint64_t reader_id);
void SendWelcome(Books* books, uint64_t session_id, bool resumed);
void SendEvicted(Books* books, uint64_t session_id, std::string_view reason);

// Everything that the session has, in an order that it may simply obey, then SnapshotDone.
void SendSnapshot(Books* books, uint64_t session_id);

// OK; or NOT_FOUND: no such session; FAILED_PRECONDITION: evicted; UNAVAILABLE: its connection is
// lost, so that no descriptor can reach it.
absl::Status RequireConnected(const Books& books, uint64_t session_id);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_EVENTS_H_
