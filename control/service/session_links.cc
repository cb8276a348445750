#include "control/service/session_links.h"

#include <utility>

namespace causeway {

void SessionLinks::Greet(uint64_t connection, Greeting greeting) {
  absl::MutexLock lock(&mutex_);
  greetings_[connection] = std::move(greeting);
}

void SessionLinks::Refuse(uint64_t connection) {
  absl::MutexLock lock(&mutex_);
  greetings_.erase(connection);
}

std::optional<Greeting> SessionLinks::Welcome(uint64_t connection, uint64_t session) {
  absl::MutexLock lock(&mutex_);
  const auto found = greetings_.find(connection);
  if (found == greetings_.end()) return std::nullopt;
  Greeting greeting = std::move(found->second);
  greetings_.erase(found);
  sessions_[connection] = session;
  return greeting;
}

std::optional<uint64_t> SessionLinks::SessionOf(uint64_t connection) const {
  absl::MutexLock lock(&mutex_);
  const auto found = sessions_.find(connection);
  if (found == sessions_.end()) return std::nullopt;
  return found->second;
}

std::optional<uint64_t> SessionLinks::Drop(uint64_t connection) {
  absl::MutexLock lock(&mutex_);
  const auto found = sessions_.find(connection);
  if (found == sessions_.end()) return std::nullopt;
  const uint64_t session = found->second;
  sessions_.erase(found);
  return session;
}

std::vector<uint64_t> SessionLinks::Connections() const {
  absl::MutexLock lock(&mutex_);
  std::vector<uint64_t> connections;
  for (const auto& [connection, session] : sessions_) connections.push_back(connection);
  return connections;
}

}  // namespace causeway
