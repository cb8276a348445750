// The reading end of a stream: frames are seen where their writers built them.
//
//   while (true) {
//     absl::StatusOr<Delivery> next = reader.Next(absl::Seconds(1));
//     if (!next.ok()) return next.status();
//     if (next->kind == Delivery::Kind::kEnded) break;
//     if (next->kind == Delivery::Kind::kFrame) Consume(next->frame.payload);
//   }

#ifndef CAUSEWAY_AGENTS_READER_H_
#define CAUSEWAY_AGENTS_READER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/stream_options.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/tally.h"
#include "mmapcore/wait_mode.h"

namespace causeway {

class ReaderLanes;
class Session;

// The order of frames of different lanes.
enum class Merge {
  kNone,       // lanes take turns
  kTimestamp,  // that of their timestamps; of equal ones, the lower lane id first
};

struct ReaderOptions {
  // Creates the stream, with `stream`, if there is none of that name.
  bool create_if_missing = true;
  // For creation only; an existing stream keeps its own.
  StreamOptions stream;
  WaitMode wait_mode = WaitMode::kAdaptive;
  // kTimestamp: only for streams with StreamOptions::timestamps. See Reader.
  Merge merge = Merge::kNone;
  // Of kTimestamp: how long frames wait for a writer that is stopped in the middle of a commit, or
  // has not admitted this reader to its new lane yet. Then they are given without it.
  absl::Duration merge_patience = absl::Milliseconds(100);
  // What writers do when this reader lags: wait for it, or go on without it. See Reader.
  ReaderPolicy policy = ReaderPolicy::kBlock;
  // Where to begin in the lanes that are there already: kOldest (the oldest frame that is still
  // there) or kLatest (behind the frame that is the last one at some moment of OpenReader():
  // nothing that is committed after it has returned is missed). Lanes that are opened later are
  // read from their first frame.
  LaneStart::At start = LaneStart::At::kOldest;
  // Begins elsewhere in these lanes: lane id, and the position that a Frame of it had. The first
  // frame at or behind the position is the first one given, so that position + 1 goes on behind
  // that frame.
  std::map<uint64_t, uint64_t> start_positions;
};

// One frame, in the memory that its writer wrote. Valid until the reader's next TryNext(), Next(),
// Latest() or Close(). The writer's process could still change the bytes (it has them mapped):
// whoever does not trust it copies them before looking twice. Under policies drop and evict it may
// use the memory again at any time: see Reader::Release().
struct Frame {
  std::span<const std::byte> payload;
  uint64_t lane_id = 0;
  uint64_t position = 0;  // where the frame begins in its lane; grows; order is per lane
  // When it was committed: nanoseconds of CLOCK_MONOTONIC, which all processes of the host share.
  // 0 in streams without timestamps.
  uint64_t timestamp_ns = 0;
  // Merge::kTimestamp: a frame that follows this one in the order was given before.
  bool late = false;
};

// What Next() found.
struct Delivery {
  enum class Kind {
    kFrame,     // `frame` is set
    kDeadline,  // nothing came in time
    kEnded,     // every lane that was known has ended and was read to its end; `end_cause` is set
    kLaneLost,  // lane `frame.lane_id` cannot be read any further, from `frame.position` on; `loss`
                // says why. Told once per lane; the other lanes go on
    kGap,       // frames of lane `frame.lane_id`, from `frame.position` on, were missed: `gap` says
                // which. Policy drop only; given before any later frame of that lane
  };
  Kind kind = Kind::kDeadline;
  Frame frame = {};
  // The gravest cause among the lanes that ended since a lane was last open before them.
  EndCause end_cause = EndCause::kClosed;
  // DataLoss with file and offset.
  absl::Status loss = {};
  LaneGap gap = {};
  // Frames of the lane that Latest() has passed over to get to this one.
  uint64_t skipped = 0;
};

// How far behind its writer one lane is.
struct LaneLag {
  uint64_t lane_id = 0;
  std::string label;      // which that is and who writes it, for messages
  uint64_t position = 0;  // everything before it was consumed
  // Committed as far as the writer has published it (at least at every segment's end), and not yet
  // consumed. Headers included.
  uint64_t lag_bytes = 0;
  bool ended = false;  // nothing will be added
};

struct ReaderCounters {
  uint64_t frames = 0;
  uint64_t payload_bytes = 0;
  uint64_t lanes_opened = 0;
  uint64_t lanes_ended = 0;
  uint64_t lanes_lost = 0;
  uint64_t gaps = 0;
  uint64_t frames_missed = 0;   // in those gaps whose number of frames is known
  uint64_t frames_skipped = 0;  // by Latest()
  uint64_t frames_late = 0;     // Merge::kTimestamp
};

// Whose turn it is among a reader's lanes. Here so that TryNext() can be compiled in line; not for
// use.
struct ReaderTurn {
  LaneReader* lane = nullptr;
  uint64_t lane_id = 0;
  uint32_t frames_left = 0;  // of this turn
  Tally frames;
  Tally payload_bytes;

  Frame Taken(const FrameView& view) {
    frames.Add(1);
    payload_bytes.Add(view.size);
    return {view.payload(), lane_id, view.position, view.timestamp_ns};
  }
};

// Reads every lane of a stream, in turns: each lane gives a batch of frames at most while others
// have some. TryNext(), Next(), WaitForWriter() and Close() belong to one thread at a time;
// everything else may be called from any thread.
//
// A frame is consumed by asking for the next one. What a writer does when this reader stands still
// and the lane's capacity is used up is this reader's choice, its policy:
//
//   kBlock  The writer waits, as long as it cares to: no frame is ever lost.
//   kDrop   The writer goes on and uses the oldest segment again. The reader finds out, is given a
//           Delivery::kGap with lane, range and number of frames, and goes on at the oldest frame
//           that is left.
//   kEvict  The writer goes on, and that is the reader's end: OutOfRange from then on.
//
// Under the last two a reader costs others nothing, even if its process is stopped; but the bytes
// of a frame may be overwritten while it looks at them. So it copies, and asks:
//
//   if (reader.TryNext(frame)) {
//     copy.assign(frame.payload.begin(), frame.payload.end());
//     if (reader.Release()) Consume(copy);  // else it is the first frame of the gap that follows
//   }
//
// With Merge::kTimestamp the frames of all lanes are given in the order of their timestamps, then
// of their lane ids, strictly: no frame is given before it is certain that no lane can come up with
// an earlier one. That takes no window in which to wait for stragglers, but, while some lanes have
// frames and others have none, a process barrier now and then, some 20 us. A frame that comes out
// of this order all the same is marked as `late`, and counted. There are two ways: its writer was
// stopped (SIGSTOP) in the middle of its commit for longer than merge_patience; or its lane was
// opened while this reader was reading, and the frame committed before this reader had heard of the
// lane. Lanes that were open when OpenReader() returned are in order from their first frame. Gaps
// are given as soon as they are found: between the frames of their lane, and before others' frames
// that follow.
class Reader {
 public:
  // As Close(), without its result.
  ~Reader();

  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The next frame if there is one; else false, at the cost of a few loads, and also where Next()
  // would give anything but a frame. Never waits or calls the system, except to map a segment.
  bool TryNext(Frame& frame) {
    if (turn_->frames_left > 0) [[likely]] {
      if (const FrameView view = turn_->lane->TryNext()) [[likely]] {
        --turn_->frames_left;
        frame = turn_->Taken(view);
        return true;
      }
    }
    return TryNextSlow(frame);
  }

  // Waits up to `timeout` (zero: not at all) for a frame, or for something that a frame cannot
  // follow. kEnded is given again and again until a writer opens another lane: to follow a stream
  // over its writers' restarts, call WaitForWriter() then. Before the first lane has come, Next()
  // waits for it.
  //
  // FailedPrecondition: fenced (the session was evicted, lost or detached), or closed.
  // OutOfRange: evicted by its policy, or a position to begin at is not retained any more (policy
  //   drop: a gap instead) or lies beyond the lane's last frame; which lane, and where. Final: the
  //   reader has left all lanes. Open another one.
  // ResourceExhausted: memory or mappings, to follow a lane on; nothing is lost, call again.
  absl::StatusOr<Delivery> Next(absl::Duration timeout);

  // As Next(), but of the lane whose turn it is gives the newest frame, and passes over those
  // before it (`skipped`) without looking at their payloads: the latest value. Each frame is given
  // once. InvalidArgument: the reader merges lanes.
  absl::StatusOr<Delivery> Latest(absl::Duration timeout);

  // Lets go of the last frame, before asking for the next one. False: a writer has lapped this
  // reader and used the memory again, so what was read of the frame may be anything; the frame
  // counts as missed. Always true under policy block. One load and a fence.
  bool Release() { return turn_->lane == nullptr || turn_->lane->Release(); }

  // Whether this frame's bytes, and all that was loaded from them so far, are still the ones that
  // were committed. False if a writer has lapped this reader meanwhile, or if the reader has left
  // the segment in which the frame lies. For frames that are held longer than until the next call,
  // under policy drop or evict: for as long as this is true. Also under policy block, where it is
  // true for the last frame.
  bool StillValid(const Frame& frame) const;

  // True if pages under the last frame have been lost meanwhile: its bytes may be zeros that nobody
  // wrote. Ask after the payload was read, if that matters; Next() says kLaneLost in any case. One
  // load.
  bool damaged() const { return turn_->lane != nullptr && turn_->lane->damaged(); }

  // For event loops: a descriptor for poll, epoll, asyncio's add_reader() and their like. It
  // belongs to the reader, is the same at every call, and is to be polled for reading and otherwise
  // left alone. It says nothing until ArmDescriptor().
  //
  //   int fd = *reader.Descriptor();
  //   while (true) {
  //     while (reader.TryNext(frame)) Consume(frame);
  //     ... = reader.Next(absl::ZeroDuration());    // until kDeadline, or kEnded
  //     reader.ArmDescriptor();
  //     epoll_wait(...);
  //   }
  //
  // ResourceExhausted: no descriptor is left.
  absl::StatusOr<int> Descriptor();

  // From now on the descriptor is readable as soon as Next() would not have to wait, and stays so
  // until the next ArmDescriptor(). If something has come since the last look, it is readable at
  // once: no wake is lost. It may be readable without a cause. Does not block; costs some 20 us, so
  // call it before the event loop sleeps, not after each frame. The first call starts a thread (one
  // for each 127 lanes) that sleeps until a writer rings.
  //
  // ResourceExhausted: no descriptor, or no thread.
  absl::Status ArmDescriptor();

  // Waits until there is a lane that was not read to its end.
  // DeadlineExceeded: which stream had none. FailedPrecondition: as Next().
  absl::Status WaitForWriter(absl::Duration timeout);

  // Leaves the stream and unmaps everything. Blocks for one call at most; a second Close() does
  // nothing. Unavailable: the coordinator is away; it hears of it when the agent has attached
  // again. FailedPrecondition: fenced before.
  absl::Status Close();

  // Lanes that were opened and not yet read to their end.
  size_t lanes() const;

  // Every lane's lag, for progress displays.
  std::vector<LaneLag> Lags() const;

  ReaderCounters counters() const;

  // In force, with no zeros.
  const StreamOptions& stream_options() const { return options_; }
  const std::string& stream() const { return stream_; }
  uint64_t reader_id() const { return reader_id_; }

 private:
  friend class Session;
  Reader(std::shared_ptr<Session> session, std::shared_ptr<ReaderLanes> lanes, std::string stream,
         const StreamOptions& options, uint64_t reader_id, uint64_t file_id);

  bool TryNextSlow(Frame& frame);
  absl::StatusOr<Delivery> Explain(absl::StatusOr<Delivery> next);

  const std::shared_ptr<Session> session_;
  const std::shared_ptr<ReaderLanes> lanes_;
  ReaderTurn* const turn_;  // of lanes_
  const std::string stream_;
  const StreamOptions options_;
  const uint64_t reader_id_;
  const uint64_t file_id_;
  bool closed_ = false;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_READER_H_
