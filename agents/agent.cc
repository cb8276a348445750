#include "agents/agent.h"

#include <utility>

#include "agents/session.h"

namespace causeway {

absl::StatusOr<std::unique_ptr<Agent>> Agent::Attach(AgentOptions options) {
  absl::StatusOr<std::shared_ptr<Session>> session = Session::Attach(std::move(options));
  if (!session.ok()) return session.status();
  return std::unique_ptr<Agent>(new Agent(*std::move(session)));
}

Agent::Agent(std::shared_ptr<Session> session) : session_(std::move(session)) {}

Agent::~Agent() = default;

absl::StatusOr<std::unique_ptr<Writer>> Agent::OpenWriter(std::string_view stream,
                                                          const WriterOptions& options) {
  return session_->OpenWriter(stream, options);
}

absl::StatusOr<std::unique_ptr<Reader>> Agent::OpenReader(std::string_view stream,
                                                          const ReaderOptions& options) {
  return session_->OpenReader(stream, options);
}

absl::StatusOr<BroughtFile> Agent::BringFile(int fd, std::string_view label, FileAccess access) {
  return session_->BringFile(fd, label, access);
}

absl::StatusOr<std::unique_ptr<Split>> Agent::OpenSplit(const SplitOptions& options) {
  return session_->OpenSplit(options);
}

absl::StatusOr<TakenExtent> Agent::TakeExtent(std::string_view split, absl::Duration timeout) {
  return session_->TakeExtent(split, timeout);
}

absl::Status Agent::Detach() { return session_->Detach(); }
uint64_t Agent::session_id() const { return session_->session_id(); }
bool Agent::connected() const { return session_->connected(); }
absl::Status Agent::status() const { return session_->status(); }

}  // namespace causeway
