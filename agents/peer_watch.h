// Hears from the kernel of the end of the processes at the other ends of lanes: as soon as the
// coordinator does, and when there is none.

#ifndef CAUSEWAY_AGENTS_PEER_WATCH_H_
#define CAUSEWAY_AGENTS_PEER_WATCH_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Where anything fails for want of descriptors or memory, the process in question is not watched:
// the coordinator proves its death as well, and says so. Thread-safe.
class PeerWatch {
 public:
  // Of which end of a lane the peer is, and so which one is ours.
  enum class Role { kWriter, kReader };

  // A lane and one of its readers.
  struct Link {
    Role peer = Role::kWriter;
    uint64_t lane_id = 0;
    uint64_t reader_id = 0;
    friend auto operator<=>(const Link&, const Link&) = default;
  };

  struct Death {
    Link link;
    bool is_news = true;  // false: given before, and not forgotten since
    friend bool operator==(const Death&, const Death&) = default;
  };

  PeerWatch();
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  // To be polled for reading: then TakeDead() has something to do. Negative: nothing is watched.
  int fd() const { return epoll_.get(); }

  // Watches the process of `pidfd` for this session, and one that it had before no more.
  void Watch(uint64_t session_id, UniqueFd pidfd);
  // The peer of this link is this session. Nothing if its process is not watched.
  void Add(uint64_t session_id, Link link);
  // The coordinator says that the peer is no more. True: TakeDead() said so before. A process is
  // watched until all of its links are forgotten.
  bool Forget(Link link);
  // Our end is no more.
  void ForgetLane(uint64_t lane_id);
  void ForgetReader(uint64_t reader_id);

  // The coordinator says everything anew: no process is watched.
  void Restart();
  // It has said everything: what it has not named of our readers and lanes is forgotten.
  void KeepLanesOf(uint64_t reader_id, const std::vector<uint64_t>& lane_ids);
  void KeepReadersOf(uint64_t lane_id, const std::vector<uint64_t>& reader_ids);

  // The links whose peers' processes have ended.
  std::vector<Death> TakeDead();

 private:
  struct Process {
    UniqueFd pidfd;
    std::set<Link> links;
  };
  using Processes = absl::flat_hash_map<uint64_t, Process>;  // by session

  // Returns how many of those that were chosen are dead.
  size_t ForgetIf(absl::FunctionRef<bool(const Link&)> chosen);
  void EndLocked(Processes::iterator process) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const UniqueFd epoll_;
  absl::Mutex mutex_;
  Processes processes_ ABSL_GUARDED_BY(mutex_);
  std::set<Link> dead_ ABSL_GUARDED_BY(mutex_);  // given by TakeDead()
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_PEER_WATCH_H_
