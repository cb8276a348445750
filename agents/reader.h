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
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/stream_options.h"

namespace causeway {

class ReaderImpl;

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
  std::string label;      // the writing agent's name
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
  bool TryNext(Frame& frame);

  // Waits up to `timeout` (zero: not at all) for a frame, or for something that a frame cannot
  // follow. kEnded is given again and again until a writer opens another lane: to follow a stream
  // over its writers' restarts, call WaitForWriter() then. Before the first lane has come, Next()
  // waits for it.
  //
  // FailedPrecondition: fenced (the session was evicted, lost or detached), or closed.
  absl::StatusOr<Delivery> Next(absl::Duration timeout);

  // Waits until there is a lane that has not ended, or one that has unread frames.
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
  const StreamOptions& stream_options() const;
  const std::string& stream() const;
  uint64_t reader_id() const;

 private:
  friend class Session;
  explicit Reader(std::unique_ptr<ReaderImpl> impl);

  std::unique_ptr<ReaderImpl> impl_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_READER_H_
