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
  links_[connection] = {session, greeting.hears_of_peers};
  return greeting;
}

std::optional<uint64_t> SessionLinks::SessionOf(uint64_t connection) const {
  absl::MutexLock lock(&mutex_);
  const auto found = links_.find(connection);
  if (found == links_.end()) return std::nullopt;
  return found->second.session;
}

bool SessionLinks::HearsOfPeers(uint64_t connection) const {
  absl::MutexLock lock(&mutex_);
  const auto found = links_.find(connection);
  return found != links_.end() && found->second.hears_of_peers;
}

std::optional<uint64_t> SessionLinks::Drop(uint64_t connection) {
  absl::MutexLock lock(&mutex_);
  const auto found = links_.find(connection);
  if (found == links_.end()) return std::nullopt;
  const uint64_t session = found->second.session;
  links_.erase(found);
  return session;
}

std::vector<uint64_t> SessionLinks::Connections() const {
  absl::MutexLock lock(&mutex_);
  std::vector<uint64_t> connections;
  for (const auto& [connection, link] : links_) connections.push_back(connection);
  return connections;
}

}  // namespace causeway
