// The writing end of a lane.
//
//   std::unique_ptr<LaneWriter> writer = ...;
//   if (Claim claim = writer->ClaimUntil(frame_bytes, Deadline::After(absl::Seconds(1)))) {
//     FillIn(claim.payload());
//     writer->Commit(claim.length);
//   } else if (claim.refusal == Refusal::kTimedOut) {
//     // a reader lags, and the lane's capacity is used up
//   }

#ifndef CAUSEWAY_MMAPCORE_LANE_WRITER_H_
#define CAUSEWAY_MMAPCORE_LANE_WRITER_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/segment_supply.h"
#include "mmapcore/sleep_watch.h"
#include "mmapcore/spin_budget.h"
#include "mmapcore/spin_pause.h"
#include "mmapcore/tally.h"
#include "mmapcore/wait_mode.h"
#include "mmapcore/writer_segments.h"

namespace causeway {

// Why there is no room, or no frame.
enum class Refusal : uint8_t {
  kNone,
  kFull,      // readers hold every segment, and no new one has arrived yet
  kTimedOut,  // kFull until the deadline
  kTooLarge,  // longer than max_frame_bytes
  kClosed,    // Close() was called
  kFenced,    // Fence() was called; status() says why
  kDamaged,   // the lane's file was truncated or its disk failed; status() says where
};

// Room for one frame, in place. False if there is none.
struct Claim {
  std::byte* data = nullptr;  // 8-byte aligned
  uint32_t length = 0;        // bytes
  Refusal refusal = Refusal::kNone;

  explicit operator bool() const { return data != nullptr; }
  std::span<std::byte> payload() const { return {data, length}; }
};

struct LaneWriterOptions {
  LaneIdentity identity;
  uint64_t segment_bytes = 0;  // of an ordinary segment; a multiple of the page size
  // Of all segments together. Holds at least one ordinary segment, and beside it, if the largest
  // frame does not fit into such a one, the segment that it needs.
  uint64_t capacity_bytes = 0;
  uint64_t max_frame_bytes = 0;  // at most kMaxFrameBytes
  // How long a free segment is kept for the next burst before it is given back, which is done at
  // rolls, for at most 64 in such a time. A burst that finds the segments of the one before waits
  // for nothing.
  absl::Duration keep_idle = absl::Seconds(30);
  // Up to here the lane grows as soon as readers lag, and keeps what it has. Beyond it, a lane that
  // is full waits for its readers first, for so long or half the time that the claim has: memory
  // that has just been used is faster than new memory, and a reader that has only lost its
  // processor for a moment is soon back. A lane that fills its segments more slowly than the supply
  // brings new ones grows ahead of need at any size.
  //
  // Half of the time that it waits for its readers passes before the supply is asked for as much
  // again, so that it need not be waited for as well.
  uint64_t grow_eagerly_bytes = uint64_t{8} << 20;
  absl::Duration grow_patience = absl::Milliseconds(10);
  // How long a reader that does not hold is not lapped, but the lane full, because the lane may
  // grow instead and the supply was asked. If nothing came in that time, readers are lapped at once
  // until something does.
  absl::Duration lap_patience = absl::ZeroDuration();
  // How the writer's thread waits for room, and for readers. Whoever waits for room waits for a
  // reader to read a segment, which is long for a spin: kSpin and kAdaptive are for those who have
  // a core for the writer's thread.
  WaitMode wait_mode = WaitMode::kPark;
  int64_t max_spin_nanos = 20'000;  // of kAdaptive
  // Frames carry the time at which they were committed.
  bool timestamps = false;
  // With it, the cost of a commit does not grow with the number of readers that do not sleep. Must
  // outlive the writer.
  SleepWatch* sleep_watch = nullptr;
};

// Since creation. Read by any thread; each number is exact, their combination need not be.
struct LaneWriterCounters {
  uint64_t frames = 0;
  uint64_t payload_bytes = 0;
  uint64_t rolls = 0;             // to another segment
  uint64_t recycles = 0;          // rolls to a segment that had been used before
  uint64_t segment_waits = 0;     // attempts to roll that found no segment
  uint64_t supply_waits = 0;      // of these, those that asked the supply for more
  uint64_t laps = 0;              // segments taken although readers that do not hold wanted them
  uint64_t rings = 0;             // of the doorbell, for parked readers
  uint64_t bad_cursors = 0;       // readers whose cursor page is wrong or lost
  uint64_t segments_refused = 0;  // from the supply; made no sense
  uint64_t segment_bytes = 0;     // of all segments that the lane has now
};

// Appends frames to a lane. One thread at a time, "the writer's thread", may call the functions of
// the first group; the others may be called from any thread.
//
// The cost of a frame is the stores into the frame's own cache lines; while readers park now and
// then, also one load for each reader (see LaneWriterOptions::sleep_watch). No lock, no system
// call, no allocation, except when a frame does not fit the current segment (a roll) and when a
// reader sleeps (a wake). Back-pressure is felt at rolls only.
//
// Comments name the invariants of docs/protocol.md by number: I1 to I12.
//
// A process that forks must not use the writer in the child.
class LaneWriter final : private QuietLane {
 public:
  // Takes over the lane file (opened read-write; the only writer of its inode), publishes the lane
  // page at `lane_page_offset`, which must be zero, and begins in the first of `segments` (at least
  // one; further ones are used in turn). `supply` must outlive the writer. Each segment is mapped
  // once, guarded if SigbusGuard is installed, and kept: these here, further ones by the supply.
  //
  // InvalidArgument: limits or extents that cannot be, with the values.
  // FailedPrecondition: the lane page was published before.
  // Others: as Mapping::Map().
  static absl::StatusOr<std::unique_ptr<LaneWriter>> Create(MappedFile lane_file,
                                                            uint64_t lane_page_offset,
                                                            std::span<const FileExtent> segments,
                                                            const LaneWriterOptions& options,
                                                            SegmentSupply* supply);

  // Closes.
  ~LaneWriter() override;
  LaneWriter(const LaneWriter&) = delete;
  LaneWriter& operator=(const LaneWriter&) = delete;

  // ---- The writer's thread ----------------------------------------------------------------------

  // Takes room for a frame of `length` bytes, 0 to max_frame_bytes. Does not block. The room is the
  // caller's until Commit() or Abandon(); its bytes are whatever was there before. A second claim
  // replaces the first.
  Claim TryClaim(uint64_t length) {
    // Relaxed: Fence() only has to be seen in finite time; the slow path then acquires its reason.
    const uint64_t limit = limit_.load(std::memory_order_relaxed);
    const uint64_t end = tail_ + FrameSpan(length);
    if (length < in_line_bytes_ && end <= limit) [[likely]] {
      claimed_.store(length + 1, std::memory_order_relaxed);
      CAUSEWAY_CRASH_POINT("writer.claim.granted");
      return {segment_ + tail_ + kHeaderWordBytes, static_cast<uint32_t>(length), Refusal::kNone};
    }
    return ClaimSlow(length);
  }

  // As TryClaim(), but waits for room while the lane is kFull until the deadline: then kTimedOut.
  Claim ClaimUntil(uint64_t length, Deadline deadline) {
    const Claim claim = TryClaim(length);
    if (claim.refusal != Refusal::kFull) [[likely]]
      return claim;
    return WaitForClaim(length, deadline);
  }

  // Makes the first `length` bytes of the claim one frame, visible to every reader from now on,
  // whatever happens to this process afterwards. Rings the doorbell if a reader sleeps. False, and
  // nothing is visible, if there is no claim or it is shorter than `length`; false as well if the
  // segment's pages have been lost (status() says where), in which case no reader may see it.
  bool Commit(uint64_t length) {
    // Relaxed: only this thread stores anything but what it stored itself.
    if (length >= claimed_.load(std::memory_order_relaxed)) [[unlikely]]
      return CommitStamped(length);
    const uint64_t span = FrameSpan(length);
    const uint64_t next = tail_ + span;
    CAUSEWAY_CRASH_POINT("writer.commit.begun");
    // I1: the word behind a committed frame is zero or committed. Relaxed: ordered by the release
    // below, whose acquirer is the reader that goes on to the next word.
    HeaderWordAt(segment_, next).StoreRelaxed(0);
    CAUSEWAY_CRASH_POINT("writer.commit.next_word_zeroed");
    // I2: a header word is stored after its payload. Pairs with the acquire in LaneReader::TryNext.
    HeaderWordAt(segment_, tail_)
        .StoreRelease(EncodeHeaderWord(static_cast<uint32_t>(length), mark_));
    CAUSEWAY_CRASH_POINT("writer.commit.header_word_stored");
    tail_ = next;
    // Of the word that the next commit will zero, if that frame is as long as this one: it then
    // need not wait for a line that a reader still has.
    PrefetchForStore(segment_ + next + span);
    Count(length);
    WakeParkedReaders();
    CAUSEWAY_CRASH_POINT("writer.commit.sleepers_woken");
    // Release: the roster is not looked at after this. Pairs with the acquire in SetRoster().
    claimed_.store(0, std::memory_order_release);
    if (mapping_->damaged()) [[unlikely]]
      return RecordDamage(mapping_->damage());
    return true;
  }

  // Makes the first `length` bytes of the claim the next frame of a batch, which becomes visible as
  // a whole with CommitStaged(): one release and one look for sleepers for all of it. A batch
  // becomes visible in parts where it does not fit into the segment, and by a claim that is
  // refused; what is committed meanwhile becomes visible with it. In a lane with timestamps the
  // frames that become visible together have the same one. False: there is no claim, or it is
  // shorter.
  bool Stage(uint64_t length) {
    // Relaxed: only this thread stores anything but what it stored itself.
    if (length >= claimed_.load(std::memory_order_relaxed)) [[unlikely]]
      return StageStamped(length);
    StageFrame(length, length);
    return true;
  }

  // Makes the staged frames visible, in order, and rings the doorbell if a reader sleeps. Does
  // nothing if there are none. False: the segment's pages have been lost, as for Commit().
  bool CommitStaged();

  // Gives the claim back. Nothing becomes visible.
  void Abandon() {
    claimed_.store(0, std::memory_order_release);
    stamped_claim_ = 0;
  }

  // Claims, copies and commits. Does not block. kNone: done.
  Refusal TryWrite(std::span<const std::byte> payload);

  // As TryWrite(), but waits for room as ClaimUntil() does.
  Refusal WriteUntil(std::span<const std::byte> payload, Deadline deadline);

  // Ends the lane: readers find the end after the last frame, staged ones included. Claims fail
  // from now on. Idempotent.
  void Close();

  // True if every reader that holds has read everything that was committed (or has left). Readers
  // that do not hold are not waited for: what is left of the lane stays readable for them.
  bool Drained();

  // Commits what is staged, and waits until then. False: the deadline passed first.
  bool DrainUntil(Deadline deadline);

  // Waits until the roster has at least `count` readers. False: the deadline passed first, or the
  // writer was fenced.
  bool WaitForReadersUntil(size_t count, Deadline deadline);

  // Brings committed_position in the lane page up to date, for operators who look at it.
  void PublishProgress();

  // The position behind the last committed or staged frame.
  uint64_t head() const { return base_position_ + tail_; }

  // ---- Any thread -------------------------------------------------------------------------------

  // Puts a new list of readers in force, and tells readers that joined up to `version` that they
  // may begin: from now on their cursors hold segments. Versions grow; an older one is ignored. The
  // cursors of readers that stay should be the same objects as before.
  void SetRoster(std::vector<std::shared_ptr<ReaderCursor>> readers, uint64_t version);

  // Stops the writer for good: claims fail with kFenced from now on, and one that waits returns. A
  // claim that was made before may still be committed. The first status stays; it must not be OK.
  void Fence(absl::Status status);

  // OK, or why the writer was fenced, or DataLoss with the place.
  absl::Status status() const;

  // Raise it when the supply has got something: a waiting claim looks again.
  Attention& attention() { return attention_; }

  // Readers in the roster.
  size_t reader_count() const { return reader_count_.load(std::memory_order_relaxed); }

  LaneWriterCounters counters() const;
  const LaneWriterOptions& options() const { return options_; }
  // For the supply, to map from.
  const std::shared_ptr<const MappedFile>& file() const { return lane_file_; }

 private:
  LaneWriter(MappedFile lane_file, Mapping lane_mapping, const LaneWriterOptions& options,
             SegmentSupply* supply);

  // I4. Rings if a reader is parked. The frame's store and these loads must not be swapped: the
  // processor is kept from it by the reader's ProcessBarrier(), the compiler by the fence here.
  void WakeParkedReaders() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (fences_itself_) [[unlikely]]
      std::atomic_thread_fence(std::memory_order_seq_cst);
    // I11. Relaxed: whoever sets it then executes a barrier here, and wakes.
    if (!looks_.load(std::memory_order_relaxed)) [[likely]]
      return;
    // Acquire: the roster's entries. Pairs with the release in SetRoster().
    const Roster* roster = roster_.load(std::memory_order_acquire);
    for (const Roster::Entry& entry : roster->entries) {
      // Relaxed: nothing is read on the strength of it.
      if (entry.page->parked.LoadRelaxed() != 0) [[unlikely]]
        return RingForSleepers(*roster);
    }
  }

  void Count(uint64_t length) {
    frames_.Add(1);
    payload_bytes_.Add(length);
  }

  // Keeps SetRoster() from freeing rosters while it exists, as a claim does.
  class RosterUse {
   public:
    explicit RosterUse(LaneWriter& writer)
        : claimed_(writer.claimed_), before_(claimed_.load(std::memory_order_relaxed)) {
      claimed_.store(std::max<uint64_t>(before_, 1), std::memory_order_relaxed);
      // The processor is kept from loading the roster first by the ProcessBarrier() of SetRoster().
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    // Release: pairs with the acquire in SetRoster().
    ~RosterUse() { claimed_.store(before_, std::memory_order_release); }
    RosterUse(const RosterUse&) = delete;
    RosterUse& operator=(const RosterUse&) = delete;

   private:
    std::atomic<uint64_t>& claimed_;
    const uint64_t before_;
  };

  // Whether readers that do not hold count.
  enum class Wishes : bool { kIgnored, kHeard };

  // Adds a frame, whose header word's length is `word_length`, to the batch; ends the claim.
  void StageFrame(uint64_t length, uint64_t word_length) {
    const uint64_t next = tail_ + FrameSpan(word_length);
    const uint64_t word = EncodeHeaderWord(static_cast<uint32_t>(word_length), mark_);
    // I1, I2. Relaxed: all of it is released by the header word of the batch's first frame, which
    // is zero until then, and where every reader still waits.
    HeaderWordAt(segment_, next).StoreRelaxed(0);
    CAUSEWAY_CRASH_POINT("writer.stage.next_word_zeroed");
    if (staged_offset_ == 0) {
      staged_offset_ = tail_;
      staged_word_ = word;
    } else {
      HeaderWordAt(segment_, tail_).StoreRelaxed(word);
    }
    Count(length);
    CAUSEWAY_CRASH_POINT("writer.stage.header_word_stored");
    tail_ = next;
    claimed_.store(0, std::memory_order_release);
  }

  // What Commit() and Stage() do where there is no claim in line that is long enough: in a lane
  // with timestamps there never is one. False: no other either.
  bool CommitStamped(uint64_t length);
  bool StageStamped(uint64_t length);
  // Gives the frames from `offset` to the tail, the first of which has the header word
  // staged_word_, the present time. They are to be committed next, and `stamping` ended.
  void StampFrom(uint64_t offset);
  Claim ClaimSlow(uint64_t length);
  // Makes the claim at the tail, where there is room for it.
  Claim GiveRoom(uint64_t length);
  Claim WaitForClaim(uint64_t length, Deadline deadline);
  Refusal FillAndCommit(const Claim& claim, std::span<const std::byte> payload);
  // To a segment that has room for a frame whose header word's length is `length`.
  Refusal Roll(uint64_t length);
  // Frees what every reader has left: those that hold, and those that wish and were not lapped.
  void FreeLeftSegments();
  // Whether a lane that is full still waits for its readers alone (grow_patience).
  bool IsPatient(uint64_t length) const;
  // Asks the supply for what a lane that is full, now or soon, will go on with.
  void AskForMore(uint64_t length);
  // Whether no reader is lapped yet, as the lane may grow instead (lap_patience).
  bool PutsLapOff(uint64_t length);
  // Frees the oldest segment if the readers that hold have left it, whatever others wish; only if
  // that helps to find room for `length` bytes. False: it was not freed.
  bool LapOldestSegment(uint64_t length);
  // Frees up to `count` leading segments; fewer if a reader has joined meanwhile. How many.
  size_t FreeSegments(size_t count, const Roster& roster, Wishes wishes);
  void UseSegment(WriterSegments::Segment& segment);
  // The lowest position of readers that hold; or of all.
  uint64_t LowestCursor(const Roster& roster, Wishes wishes);
  uint64_t LowestHold();
  void RingForSleepers(const Roster& roster);
  // Stops looking for sleepers once there have been none for a while.
  void GoQuietIfAwake();
  // QuietLane.
  size_t DoorbellCount() const override { return reader_count(); }
  bool GoQuiet() override;
  bool ListDoorbells(std::vector<WaitedWord>* words) override;
  void Resume() override;
  // Leaves them their cursors' lines for a moment, for who looks at these again and again.
  static void LeaveReadersAlone();
  // Evaluates `condition` until it is true, each time that a cursor moves or somebody raises
  // attention. False: the deadline passed.
  template <typename Condition>
  bool WaitUntil(Deadline deadline, const Condition& condition);
  // Wait for such a change. Spin(): false if the budget was spent before. Park(): in the kernel;
  // may return early.
  bool Spin(uint32_t attention_seen, uint64_t lowest_seen, Deadline deadline);
  void Park(uint32_t attention_seen, uint64_t lowest_seen, Deadline deadline);
  // When a wait until `deadline` is to look again, though nothing has changed.
  Deadline NextLook(Deadline deadline) const;
  bool RecordDamage(absl::Status status);
  void FreeRetiredRosters();

  // Of the current segment; the writer's thread alone, but for limit_ and claimed_.
  std::byte* segment_ = nullptr;
  uint64_t tail_ = 0;               // offset in the segment of the next header word
  std::atomic<uint64_t> limit_{0};  // FrameSpan() may end here; 0 once fenced or closed
  uint64_t staged_offset_ = 0;      // of the first staged frame; 0: none
  uint64_t staged_word_ = 0;        // its header word
  uint32_t mark_ = 0;               // of data frames
  uint64_t stamp_bytes_ = 0;        // of each frame: kTimestampBytes, or 0
  bool fences_itself_ = false;      // the kernel could not register us for process barriers
  uint64_t in_line_bytes_ = 0;     // shorter claims are made in line; 0: none, there are timestamps
  std::atomic<bool> looks_{true};  // at the readers' parked words
  std::atomic<uint64_t> claimed_{0};  // length of the claim + 1; 0: none, and no roster in use
  std::atomic<const Roster*> roster_;
  const Mapping* mapping_ = nullptr;
  Tally frames_;
  Tally payload_bytes_;
  uint64_t base_position_ = 0;

  const LaneWriterOptions options_;
  const std::shared_ptr<const MappedFile> lane_file_;
  Mapping lane_mapping_;
  LanePage* const lane_page_;
  WriterSegments segments_;
  std::vector<WaitedWord> words_;  // of one park; kept for its memory
  Attention attention_;
  bool closed_ = false;
  bool damaged_ = false;
  uint64_t stamped_claim_ = 0;  // as claimed_, in a lane with timestamps: no roster is in use
  uint64_t last_timestamp_ = 0;
  std::optional<Deadline> lap_put_off_until_;  // since the supply last gave something
  // With which a lane that is full waits for its readers before it grows.
  struct Patience {
    Deadline ends_at;
    Deadline prepares_at;     // when it asks for what it is then to grow by
    bool prepared = false;    // it is to have twice what it had
    bool sets_aside = false;  // what comes before ends_at
    // Looked at once in each attempt: what is set aside in one must not be asked for in the same.
    bool over = false;
  };
  std::optional<Patience> patience_;  // none: it is not full, or not so large
  SpinBudget budget_;

  std::atomic<size_t> reader_count_{0};
  std::atomic<bool> all_hold_{true};          // the readers in the roster
  std::atomic<uint64_t> frames_at_sleep_{0};  // when a reader was last found asleep
  Tally rolls_;
  Tally recycles_;
  Tally segment_waits_;
  Tally supply_waits_;
  Tally laps_;
  Tally rings_;
  std::atomic<uint64_t> bad_cursors_{0};
  Tally segments_refused_;
  std::atomic<uint64_t> held_bytes_{0};
  std::atomic<bool> fenced_{false};

  mutable absl::Mutex mutex_;  // never taken on the way of a frame
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  // Replaced, perhaps still looked at.
  std::vector<std::unique_ptr<const Roster>> retired_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_LANE_WRITER_H_
