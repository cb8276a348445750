// A lane's readers, as its writer sees them.

#ifndef CAUSEWAY_MMAPCORE_LANE_ROSTER_H_
#define CAUSEWAY_MMAPCORE_LANE_ROSTER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"

namespace causeway {

// One reader's cursor page, mapped read-only by the writer. The page is another process's: a reader
// that lies in it harms itself alone, in that
//   - a position that has not been set holds every segment, as the protocol asks: a reader whose
//     policy is to hold blocks the writer then, and the coordinator may evict it;
//   - a position beyond the lane's head, a page that is not what it should be, or one that was
//     truncated away holds nothing: such a reader loses frames.
//
// Any thread may create and destroy it; the other functions belong to the writer's thread.
class ReaderCursor {
 public:
  // Maps the cursor page of `reader_id` at `offset` of its cursor file, which may be closed
  // afterwards. The page may still be all zero.
  //
  // Errors: as Mapping::Map().
  static absl::StatusOr<std::shared_ptr<ReaderCursor>> Map(const MappedFile& cursor_file,
                                                           uint64_t offset,
                                                           const LaneIdentity& lane,
                                                           uint64_t reader_id, ReaderPolicy policy);

  uint64_t reader_id() const { return reader_id_; }
  ReaderPolicy policy() const { return policy_; }
  // True: what it has not read is never taken. False: its position is a wish.
  bool holds() const { return Holds(policy_); }
  const CursorPage& page() const { return *page_; }

  // Everything before it may be reused; 0: nothing may; kPositionPastAll: everything may.
  uint64_t Position();

  // For a reader that does not hold, in a lane that retains what lies from `oldest` on: the
  // position, or kPositionPastAll if it has been lapped and thus lost what it might have wished
  // for. That counts no more until the reader has come forward.
  uint64_t Wish(uint64_t oldest);

  // True once the page has been found wrong or lost.
  bool bad() const { return bad_; }

  // True the first time that it is asked about this sleep of the reader: ring once per sleep.
  bool FirstLookAtSleep(uint32_t sleep) { return std::exchange(last_sleep_rung_, sleep) != sleep; }

 private:
  ReaderCursor(Mapping mapping, std::string label, const LaneIdentity& lane, uint64_t reader_id,
               ReaderPolicy policy)
      : mapping_(std::move(mapping)),
        page_(&PageAt<CursorPage>(mapping_.data())),
        label_(std::move(label)),
        lane_(lane),
        reader_id_(reader_id),
        policy_(policy) {}

  Mapping mapping_;
  const CursorPage* page_;
  std::string label_;
  LaneIdentity lane_;
  uint64_t reader_id_;
  ReaderPolicy policy_;
  std::optional<uint64_t> began_at_;  // at the latest, if it has not said where it is
  bool checked_ = false;
  bool bad_ = false;
  uint32_t last_sleep_rung_ = 0;
};

// An immutable list of readers: changed by putting another one in its place.
struct Roster {
  struct Entry {
    const CursorPage* page;  // of `cursor`; here so that a commit finds it without a detour
    std::shared_ptr<ReaderCursor> cursor;
  };

  std::vector<Entry> entries;
  uint64_t version = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_LANE_ROSTER_H_
