// Which grant each segment of a lane is of.

#ifndef CAUSEWAY_AGENTS_SEGMENT_GRANTS_H_
#define CAUSEWAY_AGENTS_SEGMENT_GRANTS_H_

#include <cstdint>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace causeway {

// The coordinator may grant a range again once it was returned, and a return whose answer was lost
// is repeated: it must name the grant that it gives back, or it would take the next one.
// Thread-safe.
class SegmentGrants {
 public:
  void Add(uint64_t offset, uint64_t grant_id) {
    absl::MutexLock lock(&mutex_);
    grants_[offset] = grant_id;
  }

  // The grant of the segment at `offset`, which is forgotten; 0: a coordinator of an older release
  // did not say.
  uint64_t Take(uint64_t offset) {
    absl::MutexLock lock(&mutex_);
    const auto found = grants_.find(offset);
    if (found == grants_.end()) return 0;
    const uint64_t grant_id = found->second;
    grants_.erase(found);
    return grant_id;
  }

 private:
  absl::Mutex mutex_;
  std::map<uint64_t, uint64_t> grants_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_SEGMENT_GRANTS_H_
