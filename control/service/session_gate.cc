#include "control/service/session_gate.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/log/log.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/mapped_file.h"

namespace causeway {
namespace {

constexpr uint32_t kProtocolVersion = 1;

// Requests of one connection that wait for the state thread: an agent that floods must not fill its
// queue, which news of deaths go through, too.
constexpr int kMaxBringing = 16;

records::Incarnation IncarnationOf(const PeerProcess& peer, const std::string& nonce) {
  records::Incarnation incarnation;
  if (peer.identity.has_value()) {
    incarnation.set_boot_id(peer.identity->boot_id);
    incarnation.set_pid_namespace(peer.identity->pid_namespace);
    incarnation.set_pid(peer.identity->pid);
    incarnation.set_start_time_ticks(peer.identity->start_ticks);
  }
  incarnation.set_uid(peer.uid);
  incarnation.set_gid(peer.gid);
  incarnation.set_nonce(nonce);
  return incarnation;
}

v1::Protection ProtectionOf(const MappedFile& file) {
  return file.protection() == Protection::kReadWrite ? v1::PROTECTION_READ_WRITE
                                                     : v1::PROTECTION_READ;
}

// The file of a descriptor that came with a request which says what it may be used for.
absl::StatusOr<MappedFile> CheckBroughtFile(const v1::BringFile& request, UniqueFd descriptor) {
  absl::StatusOr<MappedFile> file = MappedFile::FromFd(std::move(descriptor), request.label());
  if (!file.ok()) return file.status();
  if (request.protection() == v1::PROTECTION_READ_WRITE &&
      file->protection() != Protection::kReadWrite) {
    return absl::PermissionDeniedError(
        absl::StrCat(request.label(), " is to be written, and its descriptor is read-only"));
  }
  if (request.protection() == v1::PROTECTION_READ && ProtectionOf(*file) != v1::PROTECTION_READ) {
    return file->OpenReadOnly();  // No more than the user means to grant.
  }
  return file;
}

}  // namespace

void SessionGate::OnHello(ConnectionId connection, PeerProcess peer, const v1::Hello& hello) {
  if (hello.protocol_version() != kProtocolVersion) {
    parts_.handoff->Refuse(
        connection, absl::FailedPreconditionError(
                        absl::StrCat("the agent speaks version ", hello.protocol_version(),
                                     " of the handoff protocol, and this coordinator version ",
                                     kProtocolVersion, "; use the same release of both")));
    return;
  }
  if (hello.leaving()) return OnLeaving(connection, peer, hello);
  const bool resumes = hello.session_id() != 0;
  std::string token = hello.token();
  if (!resumes) {
    absl::StatusOr<std::string> drawn = parts_.draw_token();
    if (!drawn.ok()) {
      parts_.handoff->Refuse(connection, drawn.status());
      return;
    }
    token = *std::move(drawn);
  }
  CAUSEWAY_CRASH_POINT("coordinator.attach.hello_received");
  const std::string token_sha256 = HashSessionToken(token);
  const records::Incarnation incarnation = IncarnationOf(peer, hello.nonce());
  parts_.links->Greet(
      connection,
      {.token = token, .pidfd = std::move(peer.pidfd), .hears_of_peers = hello.hears_of_peers()});

  auto done = [this, connection, resumes, name = hello.agent_name(),
               pid = incarnation.pid()](const absl::Status& status) {
    if (status.ok()) {
      Log(LogLevel::kInfo, resumes ? "agent resumed" : "agent attached",
          {{"session", parts_.links->SessionOf(connection).value_or(0)},
           {"name", name},
           {"pid", pid}});
      return;
    }
    parts_.links->Refuse(connection);
    parts_.handoff->Refuse(connection, status);
  };
  if (resumes) {
    ResumeRequest request = {.connection_id = connection,
                             .session_id = hello.session_id(),
                             .incarnation = incarnation,
                             .token_sha256 = token_sha256};
    parts_.state->Post(
        [request = std::move(request)](Catalog& catalog) {
          return catalog.sessions().Resume(request).status();
        },
        std::move(done));
  } else {
    AttachRequest request = {.connection_id = connection,
                             .agent_name = hello.agent_name(),
                             .incarnation = incarnation,
                             .token_sha256 = token_sha256,
                             .now_unix_ms = parts_.now_unix_ms()};
    parts_.state->Post(
        [request = std::move(request)](Catalog& catalog) {
          return catalog.sessions().Attach(request).status();
        },
        std::move(done));
  }
}

void SessionGate::OnLeaving(ConnectionId connection, const PeerProcess& peer,
                            const v1::Hello& hello) {
  const ResumeRequest request = {.connection_id = connection,
                                 .session_id = hello.session_id(),
                                 .incarnation = IncarnationOf(peer, hello.nonce()),
                                 .token_sha256 = HashSessionToken(hello.token())};
  parts_.state->Post([request](Catalog& catalog) { return catalog.sessions().Leave(request); },
                     [this, connection, session = request.session_id](const absl::Status& status) {
                       if (status.ok())
                         Log(LogLevel::kInfo, "agent has left", {{"session", session}});
                       const absl::Status gone = absl::NotFoundError(
                           absl::StrCat("session ", session, " has ended, as its agent asked"));
                       parts_.handoff->Refuse(connection, status.ok() ? gone : status);
                     });
}

void SessionGate::OnBringFile(ConnectionId connection, const v1::BringFile& request,
                              UniqueFd descriptor) {
  const uint64_t request_id = request.request_id();
  const std::optional<uint64_t> session = parts_.links->SessionOf(connection);
  if (!session.has_value()) {
    AnswerBroughtFile(connection, request_id, 0,
                      absl::FailedPreconditionError("BringFile before Welcome; wait for it"));
    return;
  }
  if (!BeginBringing(connection)) {
    AnswerBroughtFile(connection, request_id, 0,
                      absl::ResourceExhaustedError(
                          absl::StrCat(kMaxBringing,
                                       " files are being brought at once, the limit of one agent; "
                                       "wait for FileBrought")));
    return;
  }
  absl::StatusOr<MappedFile> file = CheckBroughtFile(request, std::move(descriptor));
  absl::StatusOr<uint64_t> size = file.ok() ? file->Size() : file.status();
  if (!size.ok()) {
    EndBringing(connection);
    AnswerBroughtFile(connection, request_id, 0, size.status());
    return;
  }
  // Shared by the operation, which learns the id, and its answer, which keeps the file.
  struct Brought {
    MappedFile file;
    uint64_t file_id = 0;
  };
  auto brought = std::make_shared<Brought>(Brought{.file = *std::move(file)});
  const BringFile bring = {.session_id = *session,
                           .label = request.label(),
                           .protection = request.protection(),
                           .size_bytes = *size,
                           .now_unix_ms = parts_.now_unix_ms()};
  parts_.state->Post(
      [brought, bring](Catalog& catalog) {
        absl::StatusOr<uint64_t> file_id = catalog.splits().Bring(bring);
        if (file_id.ok()) brought->file_id = *file_id;
        return file_id.status();
      },
      [this, brought, connection, request_id](const absl::Status& status) {
        EndBringing(connection);
        if (status.ok()) parts_.files->Bring(brought->file_id, std::move(brought->file));
        AnswerBroughtFile(connection, request_id, status.ok() ? brought->file_id : 0, status);
      });
}

bool SessionGate::BeginBringing(ConnectionId connection) {
  absl::MutexLock lock(&mutex_);
  int& bringing = bringing_[connection];
  if (bringing >= kMaxBringing) return false;
  ++bringing;
  return true;
}

void SessionGate::EndBringing(ConnectionId connection) {
  absl::MutexLock lock(&mutex_);
  const auto found = bringing_.find(connection);
  if (--found->second == 0) bringing_.erase(found);
}

void SessionGate::AnswerBroughtFile(ConnectionId connection, uint64_t request_id, uint64_t file_id,
                                    const absl::Status& status) {
  v1::HandoffEvent event;
  v1::FileBrought* answer = event.mutable_file_brought();
  answer->set_request_id(request_id);
  answer->set_file_id(file_id);
  answer->set_code(static_cast<int32_t>(status.code()));
  answer->set_message(std::string(status.message()));
  // An agent that is gone needs no answer; the server logs one that does not read.
  parts_.handoff->Send(connection, event, UniqueFd()).IgnoreError();
}

void SessionGate::OnClosed(ConnectionId connection, const std::string& reason) {
  const std::optional<uint64_t> session = parts_.links->Drop(connection);
  if (!session.has_value()) return;
  Log(LogLevel::kInfo, "connection closed", {{"session", *session}, {"reason", reason}});
  parts_.obligations->ConnectionLost(*session, connection);
}

}  // namespace causeway
