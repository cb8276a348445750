// Which session speaks on which handoff connection.

#ifndef CAUSEWAY_CONTROL_SERVICE_SESSION_LINKS_H_
#define CAUSEWAY_CONTROL_SERVICE_SESSION_LINKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// What is known of a connection whose Hello is being answered.
struct Greeting {
  std::string token;  // for its Welcome
  UniqueFd pidfd;     // of the process; absent if none can be had
  bool hears_of_peers = false;
};

// Thread-safe; waits for nothing.
class SessionLinks {
 public:
  SessionLinks() = default;
  SessionLinks(const SessionLinks&) = delete;
  SessionLinks& operator=(const SessionLinks&) = delete;

  // A Hello came on `connection`. The greeting is kept until Welcome() or Refuse(), even if the
  // connection is closed meanwhile: the session may be there already, and its process must be
  // watched.
  void Greet(uint64_t connection, Greeting greeting);

  // The Hello is answered without a session.
  void Refuse(uint64_t connection);

  // The Hello is answered with a session: from here on the connection is the session's. Nothing if
  // no greeting is open, as when Welcome is said for the second time.
  std::optional<Greeting> Welcome(uint64_t connection, uint64_t session);

  // The session of a connection; nothing if it has none (yet).
  std::optional<uint64_t> SessionOf(uint64_t connection) const;

  // Whether the agent at the other end knows PeerProcess.
  bool HearsOfPeers(uint64_t connection) const;

  // The connection is closed. Returns the session that it was of, if any.
  std::optional<uint64_t> Drop(uint64_t connection);

  // Every connection that has a session.
  std::vector<uint64_t> Connections() const;

 private:
  struct Link {
    uint64_t session = 0;
    bool hears_of_peers = false;
  };

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, Greeting> greetings_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, Link> links_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_SESSION_LINKS_H_
