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
#include "mmapcore/lane_reader.h"

namespace causeway {

class ReaderLanes;
class Session;

// How a waiting reader spends its time.
enum class WaitMode {
  kSpin,      // never sleeps: the shortest reaction, one core
  kAdaptive,  // spins for a short time that adapts to what it finds, then sleeps
  kPark,      // sleeps at once: for many idle readers, or more processes than cores
};

struct ReaderOptions {
  // Creates the stream, with `stream`, if there is none of that name.
  bool create_if_missing = true;
  // For creation only; an existing stream keeps its own.
  StreamOptions stream;
  WaitMode wait_mode = WaitMode::kAdaptive;
};

// One frame, in the memory that its writer wrote. Valid until the reader's next TryNext(), Next()
// or Close(). The writer's process could still change the bytes (it has them mapped): whoever does
// not trust it copies them before looking twice.
struct Frame {
  std::span<const std::byte> payload;
  uint64_t lane_id = 0;
  uint64_t position = 0;  // where the frame begins in its lane; grows; order is per lane
};

// What Next() found.
struct Delivery {
  enum class Kind {
    kFrame,     // `frame` is set
    kDeadline,  // nothing came in time
    kEnded,     // every lane that was known has ended and was read to its end; `end_cause` is set
    kLaneLost,  // lane `frame.lane_id` cannot be read any further, from `frame.position` on; `loss`
                // says why. Told once per lane; the other lanes go on
  };
  Kind kind = Kind::kDeadline;
  Frame frame = {};
  // The gravest cause among the lanes that ended since a lane was last open before them.
  EndCause end_cause = EndCause::kClosed;
  // DataLoss with file and offset.
  absl::Status loss = {};
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
};

// Whose turn it is among a reader's lanes. Here so that TryNext() can be compiled in line; not for
// use.
struct ReaderTurn {
  LaneReader* lane = nullptr;
  uint64_t lane_id = 0;
  uint32_t frames_left = 0;  // of this turn
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> payload_bytes{0};

  Frame Taken(const FrameView& view) {
    // Relaxed, and no addition in one step: one thread writes, others only look.
    frames.store(frames.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    payload_bytes.store(payload_bytes.load(std::memory_order_relaxed) + view.size,
                        std::memory_order_relaxed);
    return {view.payload(), lane_id, view.position};
  }
};

// Reads every lane of a stream, in turns: each lane gives a batch of frames at most while others
// have some. TryNext(), Next(), WaitForWriter() and Close() belong to one thread at a time;
// everything else may be called from any thread.
//
// A frame is consumed by asking for the next one. A writer may use memory again only after every
// reader has left it, so a reader that stands still holds its writers back.
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
  // ResourceExhausted: memory or mappings, to follow a lane on; nothing is lost, call again.
  absl::StatusOr<Delivery> Next(absl::Duration timeout);

  // True if pages under the last frame have been lost meanwhile: its bytes may be zeros that nobody
  // wrote. Ask after the payload was read, if that matters; Next() says kLaneLost in any case. One
  // load.
  bool damaged() const { return turn_->lane != nullptr && turn_->lane->damaged(); }

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
