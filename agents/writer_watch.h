// Hears of the end of writers' processes from the kernel, as soon as the coordinator does, and when
// there is none.

#ifndef CAUSEWAY_AGENTS_WRITER_WATCH_H_
#define CAUSEWAY_AGENTS_WRITER_WATCH_H_

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
class WriterWatch {
 public:
  struct FollowedLane {
    uint64_t reader_id = 0;
    uint64_t lane_id = 0;
    friend auto operator<=>(const FollowedLane&, const FollowedLane&) = default;
  };

  WriterWatch();
  WriterWatch(const WriterWatch&) = delete;
  WriterWatch& operator=(const WriterWatch&) = delete;

  // To be polled for reading: then TakeDead() has something to do. Negative: nothing is watched.
  int fd() const { return epoll_.get(); }

  // Watches the process of `pidfd` for this session, and one that it had before no more.
  void Watch(uint64_t session_id, UniqueFd pidfd);
  // This session writes the lane. Nothing if its process is not watched.
  void Follow(uint64_t session_id, FollowedLane lane);
  // The coordinator says that the lane has ended. True: TakeDead() said so before. A process is
  // watched until all lanes that it writes are forgotten.
  bool Forget(FollowedLane lane);
  void ForgetReader(uint64_t reader_id);

  // The coordinator says everything anew: no process is watched.
  void Restart();
  // It has said everything: other lanes of this reader than these are forgotten.
  void KeepOnly(uint64_t reader_id, const std::vector<uint64_t>& lane_ids);

  // The lanes whose writers' processes have ended. Each once, until it is forgotten.
  std::vector<FollowedLane> TakeDead();

 private:
  struct Process {
    UniqueFd pidfd;
    std::set<FollowedLane> lanes;
  };

  using Processes = absl::flat_hash_map<uint64_t, Process>;  // by session

  // Returns how many of those that were chosen are dead.
  size_t ForgetIf(absl::FunctionRef<bool(const FollowedLane&)> chosen);
  void EndLocked(Processes::iterator process) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const UniqueFd epoll_;
  absl::Mutex mutex_;
  Processes processes_ ABSL_GUARDED_BY(mutex_);
  std::set<FollowedLane> dead_ ABSL_GUARDED_BY(mutex_);  // given by TakeDead()
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_WRITER_WATCH_H_
