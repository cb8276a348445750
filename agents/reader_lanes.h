// The lanes that one reader follows: served in turns by the application's thread, added and ended
// by the coordinator's events.

#ifndef CAUSEWAY_AGENTS_READER_LANES_H_
#define CAUSEWAY_AGENTS_READER_LANES_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agents/merged_lanes.h"
#include "agents/reader.h"
#include "mmapcore/deadline.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/tally.h"
#include "mmapcore/wait_set.h"

namespace causeway {

// A lane as the coordinator announces it.
struct OpenedLane {
  LaneIdentity identity;
  std::string label;  // its writer's agent
  MappedFile file;    // read-only
  uint64_t lane_page_offset = 0;
  uint64_t cursor_offset = 0;  // of the reader's page for it, in the cursor file
  uint64_t roster_version = 0;
};

// Knows nothing of calls and connections, so that it can be tested without.
class ReaderLanes {
 public:
  struct Options {
    uint64_t reader_id = 0;
    std::string stream;
    uint64_t max_frame_bytes = 0;
    WaitMode wait_mode = WaitMode::kAdaptive;
    ReaderPolicy policy = ReaderPolicy::kBlock;
    LaneStart::At start = LaneStart::At::kOldest;
    std::map<uint64_t, uint64_t> start_positions;  // by lane
    bool timestamps = false;                       // of the stream
    Merge merge = Merge::kNone;                    // kTimestamp only with timestamps
    absl::Duration merge_patience = absl::ZeroDuration();
  };

  // `release_lane` tells the coordinator that a lane was read to its end and unmapped; it may not
  // block.
  ReaderLanes(const Options& options, MappedFile cursor_file,
              std::function<void(uint64_t lane_id)> release_lane);
  ~ReaderLanes();

  // ---- The application's thread -----------------------------------------------------------------

  // Whose turn it is; Reader::TryNext() reads it in line.
  ReaderTurn& turn() { return turn_; }

  // What Reader::TryNext() does when the lane whose turn it is has nothing, or has had its turn.
  bool TryNextSlow(Frame& frame) { return TryServe(Which::kNext, frame); }

  // As the functions of Reader.
  absl::StatusOr<Delivery> Next(absl::Duration timeout) { return Serve(Which::kNext, timeout); }
  absl::StatusOr<Delivery> Latest(absl::Duration timeout) { return Serve(Which::kLatest, timeout); }
  bool StillValid(const Frame& frame) const;
  absl::Status WaitForWriter(absl::Duration timeout);

  // As Reader::Descriptor() and Reader::ArmDescriptor().
  absl::StatusOr<int> Descriptor() { return wait_set_.Descriptor(); }
  absl::Status ArmDescriptor();

  // Leaves every lane and unmaps it.
  void Close();

  // ---- Any thread -------------------------------------------------------------------------------

  // Adds a lane; one that is known already, or was read to its end, is left as it is.
  // Errors as for LaneReader::Create(): the lane is not followed, and told as lost.
  absl::Status AddLane(OpenedLane lane);

  // The writer of this lane will add nothing.
  void EndLane(uint64_t lane_id, EndCause cause);

  // The coordinator has forgotten a lane that this reader had left.
  void Released(uint64_t lane_id);

  // The coordinator has said everything again: a lane that is not among `lane_ids` has ended.
  void KeepOnly(const std::vector<uint64_t>& lane_ids);

  // Ends the reader, for good: FailedPrecondition.
  void Fence(absl::Status why);
  // OK, or why it is fenced.
  absl::Status fenced() const;

  size_t lanes() const;
  // Whether the lane is followed, or was.
  bool Knows(uint64_t lane_id) const;
  std::vector<LaneLag> Lags() const;
  ReaderCounters counters() const;

 private:
  struct Lane {
    uint64_t id = 0;
    std::string label;
    std::unique_ptr<LaneReader> reader;
    uint64_t gaps_told = 0;
    // For Lags(), which may not touch the reader.
    Mapping lane_page;
    Mapping cursor_page;
    bool ended = false;
  };
  struct Loss {
    uint64_t lane_id;
    uint64_t position;
    absl::Status why;
  };

  enum class Which { kNext, kLatest };

  bool TryServe(Which which, Frame& frame);
  bool TryServeMerged(Frame& frame);
  // Takes note of what the lane at `index` has to say instead of a frame. False: it is to be told
  // before others are looked at.
  bool Heed(size_t index, ReadState state);
  absl::StatusOr<Delivery> Serve(Which which, absl::Duration timeout);
  // Looks for the next frame of a reader's only lane for a short while, and for nothing else: what
  // comes soon is found soonest so. Returns what was found last; kNothing if that is something to
  // wait for, for readers of several lanes, and for those that park at once.
  ReadState LookOn(Frame& frame);
  LaneStart StartOf(uint64_t lane_id) const;
  // Takes note of a gap in this lane; no further frame is given before it was told.
  void NoteGap(Lane& lane);
  // Ends the reader, for good.
  void CutOff(const absl::Status& why);
  void TakeNews();
  // Ends a wait of the application's thread.
  void RaiseAttention();
  void WaitUntil(Deadline deadline);
  // Leaves the lane at `index` of served_.
  void Retire(size_t index);
  std::optional<absl::StatusOr<Delivery>> Outcome();

  const Options options_;
  const MappedFile cursor_file_;
  const std::function<void(uint64_t)> release_lane_;

  // Of the application's thread.
  ReaderTurn turn_;
  WaitSet wait_set_;
  const std::unique_ptr<MergedLanes> merged_;  // Merge::kTimestamp
  std::vector<Lane*> served_;
  size_t serving_ = 0;  // index of turn_.lane
  std::deque<Loss> losses_;
  std::optional<Delivery> gap_;  // to be told before anything else
  absl::Status cut_off_;         // OutOfRange
  uint64_t skipped_ = 0;         // of the last frame
  Tally gaps_;
  Tally frames_missed_;
  Tally frames_skipped_;
  Tally frames_late_;
  bool seen_a_lane_ = false;
  bool stopped_ = false;  // fenced or closed
  EndCause end_cause_ = EndCause::kClosed;
  absl::Status out_of_memory_;  // of the last round

  std::atomic<bool> news_{false};  // arrived_, lost_ or fenced_ has something

  mutable absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status fenced_ ABSL_GUARDED_BY(mutex_);
  // Only the application's thread erases, so that its pointers in served_ hold.
  absl::flat_hash_map<uint64_t, std::unique_ptr<Lane>> lanes_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<uint64_t> left_ ABSL_GUARDED_BY(mutex_);  // until their end was told
  std::set<uint64_t> released_ ABSL_GUARDED_BY(mutex_);         // the latest of those given back
  std::vector<Lane*> arrived_ ABSL_GUARDED_BY(mutex_);
  std::vector<Loss> lost_ ABSL_GUARDED_BY(mutex_);  // before they could be followed
  uint64_t opened_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t lost_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_READER_LANES_H_
