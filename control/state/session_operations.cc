#include "control/state/session_operations.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control/api/names/stream_name.h"
#include "control/state/effect.h"
#include "control/state/events.h"
#include "control/state/lifecycle.h"
#include "control/state/split_lifecycle.h"
#include "control/state/text.h"

namespace causeway {
namespace {

constexpr size_t kTokenHashBytes = 32;
constexpr size_t kNonceBytes = 16;

// Takes the same time wherever the two differ.
bool EqualInConstantTime(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  // Through a volatile, so that the compiler cannot leave the loop early.
  volatile const unsigned char result = difference;
  return result == 0;
}

bool SameIncarnation(const records::Incarnation& a, const records::Incarnation& b) {
  return a.boot_id() == b.boot_id() && a.pid() == b.pid() &&
         a.start_time_ticks() == b.start_time_ticks() && a.pid_namespace() == b.pid_namespace() &&
         a.nonce() == b.nonce() && a.uid() == b.uid() && a.gid() == b.gid();
}

absl::Status CheckAttach(const AttachRequest& request) {
  if (absl::Status status = ValidateAgentName(request.agent_name); !status.ok()) return status;
  if (request.connection_id == 0) return absl::InvalidArgumentError("connection_id is 0");
  if (request.token_sha256.size() != kTokenHashBytes) {
    return absl::InvalidArgumentError(absl::StrCat("token_sha256 has ", request.token_sha256.size(),
                                                   " bytes, not ", kTokenHashBytes));
  }
  if (request.incarnation.nonce().size() != kNonceBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the nonce has ", request.incarnation.nonce().size(), " bytes, not ",
                     kNonceBytes, "; draw 16 random bytes per attach"));
  }
  return absl::OkStatus();
}

absl::Status FencedError(const records::Session& session) {
  return absl::FailedPreconditionError(absl::StrCat("session ", session.session_id(),
                                                    " was evicted: ", session.evict_reason(),
                                                    "; what it held is fenced; attach anew"));
}

void AddCloseConnection(Books* books, const records::Session& session) {
  if (session.connection_id() == 0) return;
  books->journal.Add(CloseConnection{.session_id = session.session_id(),
                                     .connection_id = session.connection_id()});
}

// Ends what a session is doing in streams. Reservations stay: whoever does their I/O takes them
// back.
void EndLanesAndReaders(Books* books, uint64_t session_id, v1::EndCause cause) {
  const std::vector<uint64_t> readers(books->readers.OfSession(session_id).begin(),
                                      books->readers.OfSession(session_id).end());
  for (const uint64_t reader_id : readers) {
    if (books->readers.Find(reader_id)->state() == records::Reader::STATE_OPEN) {
      EndReader(books, reader_id, cause);
    }
  }
  const std::vector<uint64_t> lanes(books->lanes.OfSession(session_id).begin(),
                                    books->lanes.OfSession(session_id).end());
  for (const uint64_t lane_id : lanes) {
    // It may have gone with the session's own readers.
    const records::Lane* lane = books->lanes.Find(lane_id);
    if (lane != nullptr && lane->state() == records::Lane::STATE_OPEN) {
      EndLane(books, lane_id, cause);
    }
  }
}

// The session is over and will write nothing any more: it said so, or it is dead.
void EndSession(Books* books, uint64_t session_id, v1::EndCause cause) {
  AddCloseConnection(books, *books->sessions.Find(session_id));
  // First of all: from here on the session is gone, not fenced, for everything below.
  books->sessions.Erase(session_id);
  EndLanesAndReaders(books, session_id, cause);
  ReleaseSplitExtents(books, session_id);
  CloseSplitsOf(books, session_id);
  // What waited for the proof of death.
  const std::vector<uint64_t> retired(books->files.RetiredOf(session_id).begin(),
                                      books->files.RetiredOf(session_id).end());
  for (const uint64_t file_id : retired) EraseFile(books, file_id);
  const std::vector<uint64_t> lanes(books->lanes.OfSession(session_id).begin(),
                                    books->lanes.OfSession(session_id).end());
  for (const uint64_t lane_id : lanes) {
    if (books->lanes.Find(lane_id)->state() == records::Lane::STATE_RETIRED) {
      books->lanes.Erase(lane_id);
    }
  }
  books->journal.Add(SessionEnded{.session_id = session_id});
}

void EndIfDead(Books* books, uint64_t session_id) {
  const records::Session* session = books->sessions.Find(session_id);
  if (session->connection_id() == 0 && session->process_exited()) {
    EndSession(books, session_id, v1::END_CAUSE_DIED);
  }
}

}  // namespace

absl::StatusOr<AttachResult> SessionOperations::Attach(const AttachRequest& request) {
  if (absl::Status status = CheckAttach(request); !status.ok()) return status;
  if (books_.sessions.FindByToken(request.token_sha256) != nullptr) {
    return absl::AlreadyExistsError("the token is in use; draw another one");
  }
  for (const auto& [session_id, session] : books_.sessions.rows()) {
    if (SameIncarnation(session.incarnation(), request.incarnation)) {
      return absl::AlreadyExistsError(
          absl::StrCat("this incarnation is attached as session ", session_id,
                       "; resume it with its token, or draw a new nonce"));
    }
  }
  if (books_.sessions.size() >= books_.limits.max_agents) {
    return LimitMet("max_agents", books_.limits.max_agents,
                    absl::StrCat(books_.sessions.size(), " sessions exist"),
                    "detach or end agents; evicted ones count until they exit");
  }
  records::Session session;
  session.set_session_id(books_.NextId());
  session.set_agent_name(request.agent_name);
  *session.mutable_incarnation() = request.incarnation;
  session.set_token_sha256(request.token_sha256);
  session.set_attached_unix_ms(request.now_unix_ms);
  session.set_state(records::Session::STATE_ATTACHED);
  session.set_connection_id(request.connection_id);
  const uint64_t session_id = session.session_id();
  books_.sessions.Put(std::move(session));
  SendWelcome(&books_, session_id, /*resumed=*/false);
  return AttachResult{.session_id = session_id, .coordinator_epoch = books_.CoordinatorEpoch()};
}

absl::StatusOr<const records::Session*> SessionOperations::FindOwn(
    const ResumeRequest& request) const {
  const records::Session* session = books_.sessions.Find(request.session_id);
  if (session == nullptr || !EqualInConstantTime(session->token_sha256(), request.token_sha256)) {
    return absl::UnauthenticatedError(absl::StrCat(
        "session ", request.session_id, " is gone, or this is not its token; attach anew"));
  }
  if (!SameIncarnation(session->incarnation(), request.incarnation)) {
    return absl::PermissionDeniedError(
        absl::StrCat("session ", request.session_id, " belongs to another process (pid ",
                     session->incarnation().pid(), "); a child must attach by itself"));
  }
  if (session->state() == records::Session::STATE_FENCED) return FencedError(*session);
  return session;
}

absl::StatusOr<AttachResult> SessionOperations::Resume(const ResumeRequest& request) {
  if (request.connection_id == 0) return absl::InvalidArgumentError("connection_id is 0");
  const absl::StatusOr<const records::Session*> found = FindOwn(request);
  if (!found.ok()) return found.status();
  const records::Session* session = *found;
  if (session->connection_id() != request.connection_id) AddCloseConnection(&books_, *session);
  records::Session changed = *session;
  changed.set_state(records::Session::STATE_ATTACHED);
  changed.set_connection_id(request.connection_id);
  books_.sessions.Put(std::move(changed));
  SendWelcome(&books_, request.session_id, /*resumed=*/true);
  SendSnapshot(&books_, request.session_id);
  return AttachResult{.session_id = request.session_id,
                      .coordinator_epoch = books_.CoordinatorEpoch()};
}

absl::Status SessionOperations::Leave(const ResumeRequest& request) {
  if (absl::Status found = FindOwn(request).status(); !found.ok()) return found;
  return Detach(request.session_id);
}

absl::StatusOr<uint64_t> SessionOperations::Authenticate(std::string_view token_sha256) const {
  const records::Session* session = books_.sessions.FindByToken(token_sha256);
  if (session == nullptr) {
    return absl::UnauthenticatedError(
        "the call's causeway-token is no session's: it is missing, wrong, or its session has "
        "ended; attach anew");
  }
  if (session->state() == records::Session::STATE_FENCED) return FencedError(*session);
  return session->session_id();
}

absl::Status SessionOperations::ConnectionLost(uint64_t session_id, uint64_t connection_id) {
  const records::Session* session = books_.sessions.Find(session_id);
  if (session == nullptr || connection_id == 0 || session->connection_id() != connection_id) {
    return absl::OkStatus();
  }
  records::Session changed = *session;
  changed.set_connection_id(0);
  if (changed.state() == records::Session::STATE_ATTACHED) {
    changed.set_state(records::Session::STATE_DISCONNECTED);
  }
  books_.sessions.Put(std::move(changed));
  EndIfDead(&books_, session_id);
  return absl::OkStatus();
}

absl::Status SessionOperations::ProcessExited(uint64_t session_id) {
  const records::Session* session = books_.sessions.Find(session_id);
  if (session == nullptr || session->process_exited()) return absl::OkStatus();
  records::Session changed = *session;
  changed.set_process_exited(true);
  books_.sessions.Put(std::move(changed));
  EndIfDead(&books_, session_id);
  return absl::OkStatus();
}

absl::Status SessionOperations::Detach(uint64_t session_id) {
  const records::Session* session = books_.sessions.Find(session_id);
  if (session == nullptr) {
    return absl::NotFoundError(absl::StrCat("session ", session_id, " is gone"));
  }
  if (session->state() == records::Session::STATE_FENCED) return FencedError(*session);
  EndSession(&books_, session_id, v1::END_CAUSE_CLOSED);
  return absl::OkStatus();
}

absl::Status SessionOperations::Evict(uint64_t session_id, std::string_view reason) {
  const records::Session* session = books_.sessions.Find(session_id);
  if (session == nullptr) {
    return absl::NotFoundError(absl::StrCat("no session ", session_id, "; it may have ended"));
  }
  if (session->state() == records::Session::STATE_FENCED) return absl::OkStatus();
  SendEvicted(&books_, session_id, CutText(reason));
  AddCloseConnection(&books_, *session);
  records::Session changed = *session;
  changed.set_state(records::Session::STATE_FENCED);
  changed.set_evict_reason(CutText(reason));
  changed.set_connection_id(0);  // Closed from this side.
  books_.sessions.Put(std::move(changed));
  EndLanesAndReaders(&books_, session_id, v1::END_CAUSE_EVICTED);
  CloseSplitsOf(&books_, session_id);
  EndIfDead(&books_, session_id);
  return absl::OkStatus();
}

}  // namespace causeway
