// The writing end of a stream: frames are built in place, in memory that readers map.
//
//   absl::StatusOr<std::span<std::byte>> room = writer.Claim(bytes, absl::Seconds(1));
//   if (!room.ok()) return room.status();
//   Fill(*room);
//   writer.Commit(bytes);

#ifndef CAUSEWAY_AGENTS_WRITER_H_
#define CAUSEWAY_AGENTS_WRITER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/stream_options.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/wait_mode.h"

namespace causeway {

class Session;
class WriterLane;

struct WriterOptions {
  // Creates the stream, with `stream`, if there is none of that name.
  bool create_if_missing = true;
  // For creation only; an existing stream keeps its own.
  StreamOptions stream;
  // How long a claim may wait for the lane to grow, as long as its capacity allows that, before
  // readers of policy drop or evict are lapped. If nothing is granted in that time, no claim waits
  // for it again until something is. Zero: such readers never make a claim wait.
  absl::Duration lap_patience = absl::ZeroDuration();
  // How Claim(), Write(), WaitForReaders() and Drain() wait. A claim that waits does so until a
  // reader has read a segment: kSpin, which then makes no system call, wants a core of its own.
  WaitMode wait_mode = WaitMode::kPark;
};

// How far behind one reader is.
struct ReaderLag {
  uint64_t reader_id = 0;
  std::string label;       // who that is, for messages: "reader 7 of ..."
  uint64_t lag_bytes = 0;  // committed, and not yet given up by the reader; headers included
  ReaderPolicy policy = ReaderPolicy::kBlock;  // kBlock: the writer waits for this reader
};

struct WriterCounters {
  uint64_t frames = 0;            // committed
  uint64_t payload_bytes = 0;     // committed
  uint64_t segments_rolled = 0;   // times the lane went on to another segment
  uint64_t segments_granted = 0;  // asked for and granted after the lane was opened
  uint64_t waits = 0;             // attempts to claim that found no room
  uint64_t waits_for_grants = 0;  // of these, for the coordinator; the others were for readers
  uint64_t laps = 0;  // segments used again although a reader of policy drop or evict wanted them
};

// One lane. Claim(), TryClaim(), Commit(), Abandon(), Write(), WaitForReaders(), Drain() and
// Close() belong to one thread at a time; everything else may be called from any thread.
//
// A reader that joined holds the segments that it has not yet read, so a lane grows up to
// `capacity_bytes` while readers lag; then claims wait for the slowest reader. With no reader at
// all nothing is held back for later ones: the oldest segments are used again. Readers of policy
// drop or evict never make a claim wait, unless WriterOptions::lap_patience says so: the lane grows
// while they lag, but where a segment is needed at once, the oldest one that the others have left
// is used again.
//
// FailedPrecondition from any function means fenced: the session was evicted, lost or detached.
// What was committed before stays readable by those who have it. Nothing that is done to the span
// of an earlier claim reaches anyone, or harms anyone.
class Writer {
 public:
  // As Close(), without its result.
  ~Writer();

  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Room for a frame of up to `bytes` bytes (0 is allowed), 8-byte aligned. The bytes are what was
  // there before: fill all that is committed. The span is valid until Commit(), Abandon() or
  // Close(). A claim that is still open is abandoned first. Waits up to `timeout` (zero: not at
  // all) for readers to make room; asks the coordinator only when the lane may still grow.
  //
  // InvalidArgument: `bytes` is above the stream's max_frame_bytes.
  // DeadlineExceeded: no room in time; the message names the slowest reader and its lag.
  // ResourceExhausted: the lane cannot grow for lack of storage or quota, and nobody holds
  //   segments that could be waited for; the coordinator's message is passed on.
  // Unavailable: the frame needs a segment of its own and the coordinator is away.
  // FailedPrecondition: fenced, or closed.
  // DataLoss: the lane's file was truncated from outside.
  absl::StatusOr<std::span<std::byte>> Claim(size_t bytes, absl::Duration timeout);

  // Claim() without waiting: null if there is no room in the segment and no segment to go on to, or
  // for any of Claim()'s errors; then call Claim(). No system call, except when the lane goes on to
  // another segment.
  std::byte* TryClaim(size_t bytes) {
    if (lane_ == nullptr) [[unlikely]]
      return nullptr;
    return lane_->TryClaim(bytes).data;
  }

  // Makes the frame visible to every reader at once, with its first `bytes` bytes. Never blocks;
  // makes a system call only if a reader sleeps. False, and nothing is visible, if there is no
  // claim of at least `bytes` bytes, or if the lane's file was truncated under it: then Claim()
  // says so.
  bool Commit(size_t bytes) {
    if (lane_ == nullptr || !lane_->Commit(bytes)) [[unlikely]]
      return false;
    // Relaxed: for Lags() of other threads.
    head_.store(lane_->head(), std::memory_order_relaxed);
    return true;
  }

  // Makes the claim, with its first `bytes` bytes, the next frame of a batch: invisible until
  // CommitStaged() shows all of the batch at once, for the cost of one Commit(). Where a batch does
  // not fit into the segment, or a claim finds no room, what is staged becomes visible before.
  // False: no claim of at least `bytes` bytes.
  bool Stage(size_t bytes) { return lane_ != nullptr && lane_->Stage(bytes); }

  // As Commit(), for everything that is staged; true if that is nothing. Drain() and Close() do so,
  // too.
  bool CommitStaged() {
    if (lane_ == nullptr || !lane_->CommitStaged()) [[unlikely]]
      return false;
    head_.store(lane_->head(), std::memory_order_relaxed);
    return true;
  }

  // Gives an open claim back; no reader ever sees it.
  void Abandon() {
    if (lane_ != nullptr) lane_->Abandon();
  }

  // Claim(), copy, Commit(). Errors as for Claim().
  absl::Status Write(std::span<const std::byte> payload, absl::Duration timeout);

  // Waits until at least `count` readers follow the lane.
  // DeadlineExceeded: how many there were. FailedPrecondition: fenced, or closed.
  absl::Status WaitForReaders(size_t count, absl::Duration timeout);

  // Waits until every reader that follows the lane has consumed everything that was committed.
  // Readers that leave or die are waited for no more, and those of policy drop or evict not at all:
  // after Close() they read what is left.
  //
  // DeadlineExceeded: names the slowest reader and its lag. FailedPrecondition: fenced, or closed.
  absl::Status Drain(absl::Duration timeout);

  // Ends the lane: readers go on to its last committed frame and then see it ended. An open claim
  // is abandoned. Unmaps everything. Blocks for one call at most; a second Close() does nothing.
  //
  // Unavailable: the coordinator is away; readers see the end nevertheless, and the coordinator
  //   hears of it when the agent has attached again.
  // FailedPrecondition: fenced before.
  absl::Status Close();

  // Readers that follow the lane now.
  size_t readers() const;

  // Every reader's lag, for progress displays. A snapshot; costs a load per reader.
  std::vector<ReaderLag> Lags() const;

  WriterCounters counters() const;

  // In force, with no zeros.
  const StreamOptions& stream_options() const { return options_; }
  const std::string& stream() const { return stream_; }
  uint64_t lane_id() const { return lane_id_; }

 private:
  friend class Session;
  Writer(std::shared_ptr<Session> session, std::shared_ptr<WriterLane> shared, std::string stream,
         const StreamOptions& options, uint64_t lane_id, uint64_t file_id);

  // FailedPrecondition once closed.
  absl::Status CheckOpen() const;
  // Puts why the session has ended in the place of what it looks like.
  absl::Status Explain(absl::Status status);

  LaneWriter* lane_;  // of shared_; null once closed
  std::atomic<uint64_t> head_{0};
  const std::shared_ptr<Session> session_;
  const std::shared_ptr<WriterLane> shared_;
  const std::string stream_;
  const StreamOptions options_;
  const uint64_t lane_id_;
  const uint64_t file_id_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_WRITER_H_
