// A writer or a reader under load, to be killed: opens, exchanges and closes as long as it lives,
// and says what it did in a CrashLog.
//
//   crash_actor writer DIR STREAM LOG SEED
//   crash_actor reader DIR STREAM LOG SEED block|drop ONCE
//
// Writes "ready" to descriptor 3 when it has attached. SIGTERM: closes what it has open, and exits
// with 0. A reader with ONCE = 1 stays open until then. What must not happen goes to standard error
// and ends it with 1.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "mmapcore/deadline.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/wait_mode.h"
#include "tests/faults/crash_frame.h"
#include "tests/faults/crash_log.h"

namespace causeway::faults {
namespace {

using Kind = CrashRecord::Kind;

constexpr int kReportFd = 3;
constexpr absl::Duration kTurn = absl::Milliseconds(50);
// Small, so that lanes roll, recycle, fill up and lap all the time.
constexpr uint64_t kSegmentBytes = 16 * 1024;
constexpr uint64_t kCapacityBytes = 8 * kSegmentBytes;
constexpr uint64_t kMaxFrameBytes = 40 * 1024;

// Lock-free, so that the signal handler may store to it.
std::atomic<bool> stopping = false;
static_assert(std::atomic<bool>::is_always_lock_free);

[[noreturn]] void Fail(std::string_view what, const absl::Status& status) {
  std::fprintf(stderr, "crash_actor %d: %.*s: %s\n", getpid(), static_cast<int>(what.size()),
               what.data(), status.ToString().c_str());
  std::_Exit(1);
}

// Whether an operation may be tried again: the coordinator is away, or a reader that is dead still
// holds segments.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsAborted(status);
}

class Actor {
 public:
  Actor(std::string dir, std::string stream, const std::string& log, uint64_t seed)
      : dir_(std::move(dir)), stream_(std::move(stream)), log_(log), random_(seed) {}

  // Attaches, works, detaches, until it is to stop.
  template <typename Work>
  void Run(Work work) {
    while (!stopping) {
      std::unique_ptr<Agent> agent = Attach();
      if (agent == nullptr) continue;
      if (!std::exchange(ready_, true) && write(kReportFd, "ready\n", 6) != 6) std::_Exit(1);
      work(*agent);
      Log({.kind = Kind::kDetaching});
    }
  }

  void Write(Agent& agent) {
    for (uint64_t lanes = 1 + Random(3); lanes > 0 && !stopping; --lanes) WriteLane(agent);
  }

  void Read(Agent& agent, ReaderPolicy policy, bool once) {
    for (uint64_t readers = 1 + Random(3); readers > 0 && !stopping; --readers) {
      ReadStream(agent, policy, once ? ~uint64_t{0} : 500 + Random(5000));
    }
  }

 private:
  uint64_t Random(uint64_t below) { return random_() % below; }
  bool OneIn(uint64_t of) { return Random(of) == 0; }

  void Log(const CrashRecord& record) {
    absl::MutexLock lock(&mutex_);
    log_.Write(record);
  }

  std::unique_ptr<Agent> Attach() {
    AgentOptions options;
    options.dir = dir_;
    options.name = "crash actor";
    options.attach_timeout = absl::Milliseconds(500);
    options.max_reattach_pause = absl::Milliseconds(20);
    options.on_event = [this](const AgentEvent& event) { Heard(event); };
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    if (agent.ok()) return *std::move(agent);
    if (!MayPass(agent.status())) Fail("attach", agent.status());
    return nullptr;
  }

  void Heard(const AgentEvent& event) {
    switch (event.kind) {
      case AgentEvent::Kind::kConnectionLost:
        return Log({.kind = Kind::kConnectionLost});
      case AgentEvent::Kind::kReattached:
        return Log({.kind = Kind::kReattached});
      case AgentEvent::Kind::kAttached:
        return Log({.kind = Kind::kAttached});
      case AgentEvent::Kind::kReaderLeft:
        return Log({.kind = Kind::kReaderLeft, .reader_id = event.reader_id});
      case AgentEvent::Kind::kLaneEnded:
        return Log({.kind = Kind::kLaneEnded, .frame = {.lane_id = event.lane_id}});
      case AgentEvent::Kind::kEvicted:
        return Fail("evicted", absl::InternalError(event.text));
      case AgentEvent::Kind::kRejected:
        return Fail("the coordinator's word was rejected", absl::InternalError(event.text));
      default:
        return;
    }
  }

  void WriteLane(Agent& agent) {
    const int64_t before = Deadline::NowNanos();
    WriterOptions options;
    options.stream = {.segment_bytes = kSegmentBytes,
                      .capacity_bytes = kCapacityBytes,
                      .max_frame_bytes = kMaxFrameBytes};
    absl::StatusOr<std::unique_ptr<Writer>> writer = agent.OpenWriter(stream_, options);
    if (!writer.ok()) {
      if (!MayPass(writer.status())) Fail("open writer", writer.status());
      return;
    }
    const uint64_t lane = (*writer)->lane_id();
    next_ = 0;
    log_.Begin(0);
    log_.Committed(0);
    Log({.kind = Kind::kWriterOpened, .nanos = before, .frame = {.lane_id = lane}});
    // Now and then without a pause, so that its readers do not sleep, and it stops looking.
    const bool steady = OneIn(10);
    for (uint64_t left = steady ? 10'000 : 50 + Random(400); left > 0 && !stopping; --left) {
      if (!steady && OneIn(20)) absl::SleepFor(absl::Microseconds(500));
      WriteSome(**writer, steady);
    }
    if (OneIn(4)) {
      const absl::Status drained = (*writer)->Drain(absl::Milliseconds(200));
      if (!drained.ok() && !MayPass(drained)) Fail("drain", drained);
    }
    Log({.kind = Kind::kWriterClosing, .frame = {.lane_id = lane, .number = next_}});
    const absl::Status closed = (*writer)->Close();
    if (!closed.ok() && !MayPass(closed)) Fail("close writer", closed);
  }

  uint64_t FrameBytes(bool steady) {
    if (!steady && OneIn(200)) return kMaxFrameBytes - Random(kSegmentBytes);
    if (!steady && OneIn(10)) return kMinCrashFrameBytes + Random(8000);
    return kMinCrashFrameBytes + Random(200);
  }

  // One frame, several at once, or one that is given back.
  void WriteSome(Writer& writer, bool steady) {
    if (OneIn(20)) {
      if (Fill(writer, steady, next_ | kNeverCommitted)) writer.Abandon();
      return;
    }
    if (!OneIn(10)) {
      const size_t bytes = Fill(writer, steady, next_);
      if (bytes == 0) return;
      log_.Begin(++next_);
      if (!writer.Commit(bytes)) Fail("commit", absl::InternalError("refused"));
      log_.Committed(next_);
      return;
    }
    for (uint64_t batch = 2 + Random(6); batch > 0; --batch) {
      const size_t bytes = Fill(writer, steady, next_);
      if (bytes == 0) break;
      log_.Begin(++next_);
      if (!writer.Stage(bytes)) Fail("stage", absl::InternalError("refused"));
    }
    if (!writer.CommitStaged()) Fail("commit a batch", absl::InternalError("refused"));
    log_.Committed(next_);
  }

  // Claims and fills. The frame's bytes; 0: it was told to stop while there was no room.
  size_t Fill(Writer& writer, bool steady, uint64_t number) {
    const size_t bytes = FrameBytes(steady);
    while (true) {
      const absl::StatusOr<std::span<std::byte>> room = writer.Claim(bytes, kTurn);
      if (room.ok()) {
        FillCrashFrame(writer.lane_id(), number, *room);
        return bytes;
      }
      if (!MayPass(room.status())) Fail("claim", room.status());
      if (stopping) return 0;
    }
  }

  void ReadStream(Agent& agent, ReaderPolicy policy, uint64_t frames) {
    ReaderOptions options;
    options.policy = policy;
    options.wait_mode = OneIn(2) ? WaitMode::kPark : WaitMode::kAdaptive;
    options.stream = {.segment_bytes = kSegmentBytes,
                      .capacity_bytes = kCapacityBytes,
                      .max_frame_bytes = kMaxFrameBytes};
    absl::StatusOr<std::unique_ptr<Reader>> reader = agent.OpenReader(stream_, options);
    if (!reader.ok()) {
      if (!MayPass(reader.status())) Fail("open reader", reader.status());
      return;
    }
    Log({.kind = Kind::kReaderOpened, .reader_id = (*reader)->reader_id()});
    for (uint64_t seen = 0; seen < frames && !stopping; ++seen) ReadOne(**reader);
    Log({.kind = Kind::kReaderClosing});
    const absl::Status closed = (*reader)->Close();
    if (!closed.ok() && !MayPass(closed)) Fail("close reader", closed);
  }

  void ReadOne(Reader& reader) {
    const absl::StatusOr<Delivery> next = reader.Next(kTurn);
    if (!next.ok()) {
      if (!MayPass(next.status())) Fail("read", next.status());
      return;
    }
    switch (next->kind) {
      case Delivery::Kind::kFrame: {
        told_of_end_ = false;
        const ReadFrame frame =
            ParseCrashFrame(next->frame.lane_id, next->frame.position, next->frame.payload);
        // Pauses, so that writers come to wait, or to lap.
        if (OneIn(400)) absl::SleepFor(absl::Milliseconds(2));
        if (reader.Release()) Log({.kind = Kind::kFrame, .frame = frame});
        return;
      }
      case Delivery::Kind::kGap:
        return Log({.kind = Kind::kGap,
                    .gap = {.lane_id = next->frame.lane_id,
                            .begin = next->gap.begin,
                            .end = next->gap.end,
                            .frames = next->gap.frames}});
      case Delivery::Kind::kEnded: {
        if (!std::exchange(told_of_end_, true)) Log({.kind = Kind::kEnded});
        const absl::Status there = reader.WaitForWriter(kTurn);
        told_of_end_ = !there.ok();
        if (!there.ok() && !MayPass(there)) Fail("wait for a writer", there);
        return;
      }
      case Delivery::Kind::kLaneLost:
        std::fprintf(stderr, "crash_actor %d: %s\n", getpid(), next->loss.ToString().c_str());
        return Log({.kind = Kind::kLaneLost,
                    .frame = {.lane_id = next->frame.lane_id, .position = next->frame.position}});
      case Delivery::Kind::kDeadline:
        return;
    }
  }

  const std::string dir_;
  const std::string stream_;
  absl::Mutex mutex_;  // the agent's thread logs, too
  CrashLog log_;
  std::mt19937_64 random_;
  bool ready_ = false;
  bool told_of_end_ = false;
  uint64_t next_ = 0;  // number of the next frame of the lane
};

int Main(std::span<char*> arguments) {
  if (arguments.size() < 6) return 2;
  struct sigaction action = {};
  action.sa_handler = [](int) { stopping = true; };
  sigaction(SIGTERM, &action, nullptr);
  Actor actor(arguments[2], arguments[3], arguments[4], std::strtoull(arguments[5], nullptr, 10));
  if (std::string_view(arguments[1]) == "writer") {
    actor.Run([&](Agent& agent) { actor.Write(agent); });
    return 0;
  }
  if (arguments.size() < 8) return 2;
  const ReaderPolicy policy =
      std::string_view(arguments[6]) == "drop" ? ReaderPolicy::kDrop : ReaderPolicy::kBlock;
  const bool once = std::string_view(arguments[7]) == "1";
  actor.Run([&](Agent& agent) { actor.Read(agent, policy, once); });
  return 0;
}

}  // namespace
}  // namespace causeway::faults

int main(int argc, char** argv) {
  return causeway::faults::Main(std::span(argv, static_cast<size_t>(argc)));
}
