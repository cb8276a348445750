#include "agents/cli/subscribe.h"

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/cli/attach.h"
#include "agents/cli/command_line.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/reader_policy.h"

namespace causeway {
namespace {

constexpr char kCommand[] = "subscribe";

constexpr char kExamples[] =
    "  causeway subscribe sources | tar x          with, elsewhere, before or after:\n"
    "  tar c src | causeway publish sources\n"
    "\n"
    "  causeway subscribe log --lines --follow | grep ERROR\n"
    "\n"
    "  causeway subscribe video --policy=drop --from=latest > screen\n"
    "\n"
    "  causeway subscribe log --lines --follow --merge=timestamp\n"
    "\n"
    "Reads from the oldest frame that is still there when it joins, or as --from says: latest, or\n"
    "from LANE:POSITION on (several with commas), as a message about a gap names them. Ends when\n"
    "every writer that it has seen has ended.\n"
    "\n"
    "--merge=timestamp gives the lines or frames of all writers in the order in which they were "
    "sent,\n"
    "on a stream that was made with timestamps (by this command, or publish or create "
    "--timestamps).\n"
    "\n"
    "--policy says what writers do when this command lags and their memory is used up: wait "
    "(block),\n"
    "go on and let it miss frames (drop; each gap is told on standard error), or go on and let it\n"
    "fail (evict).\n"
    "\n"
    "Exit status: 0 if every writer ended as it should and everything was passed on, or missed "
    "only\n"
    "in gaps that were told; 1 if not, as when it was evicted; 2 for a mistake in the command.\n";

struct SubscribeFlags {
  std::string stream;
  std::string dir;
  absl::Duration timeout = absl::InfiniteDuration();
  bool lines = false;
  bool follow = false;
  bool latest = false;
  ReaderOptions reader;
};

// "block", "drop" or "evict".
absl::Status ParsePolicy(const std::string& text, ReaderPolicy& policy) {
  for (const ReaderPolicy known :
       {ReaderPolicy::kBlock, ReaderPolicy::kDrop, ReaderPolicy::kEvict}) {
    if (text != ReaderPolicyName(known)) continue;
    policy = known;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--policy: ", OneLine(text), " is no policy; use block, drop or evict"));
}

// "none" or "timestamp".
absl::Status ParseMerge(const std::string& text, ReaderOptions& options) {
  if (text == "none") return absl::OkStatus();
  if (text != "timestamp") {
    return absl::InvalidArgumentError(
        absl::StrCat("--merge: ", OneLine(text), " is no order; use none or timestamp"));
  }
  options.merge = Merge::kTimestamp;
  options.stream.timestamps = true;
  return absl::OkStatus();
}

// "oldest", "latest", or "LANE:POSITION", several of which are separated by commas.
absl::Status ParseFrom(const std::string& text, ReaderOptions& options) {
  if (text == "oldest") return absl::OkStatus();
  if (text == "latest") {
    options.start = LaneStart::At::kLatest;
    return absl::OkStatus();
  }
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> words = absl::StrSplit(part, ':');
    uint64_t lane = 0;
    uint64_t position = 0;
    if (words.size() != 2 || !absl::SimpleAtoi(words[0], &lane) ||
        !absl::SimpleAtoi(words[1], &position)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--from: ", OneLine(std::string(part)),
                       " is no place to begin; use oldest, latest or LANE:POSITION"));
    }
    options.start_positions[lane] = position;
  }
  return absl::OkStatus();
}

// A stream to standard output.
class Subscriber {
 public:
  Subscriber(const SubscribeFlags& flags, Reader& reader) : flags_(flags), reader_(reader) {}

  // Until every writer has ended. Cancelled: nobody reads standard output any more.
  absl::Status Run() {
    while (true) {
      Frame frame;
      if (!flags_.latest && reader_.TryNext(frame)) {
        if (absl::Status status = PassOn(frame); !status.ok()) return status;
        continue;
      }
      const absl::StatusOr<Delivery> next =
          flags_.latest ? reader_.Latest(flags_.timeout) : reader_.Next(flags_.timeout);
      if (!next.ok()) return next.status();
      switch (next->kind) {
        case Delivery::Kind::kFrame:
          if (absl::Status status = PassOn(next->frame); !status.ok()) return status;
          break;
        case Delivery::Kind::kDeadline:
          return absl::DeadlineExceededError(absl::StrCat(
              "nothing came from ", reader_.stream(), " for ", absl::FormatDuration(flags_.timeout),
              ", after ", frames_, " frames; --timeout=inf waits for ever"));
        case Delivery::Kind::kGap:
          NoteGap(next->frame.lane_id, next->gap);
          break;
        case Delivery::Kind::kLaneLost:
          result_.Update(next->loss);
          break;
        case Delivery::Kind::kEnded:
          NoteEnd(next->end_cause);
          if (!flags_.follow) return result_;
          if (absl::Status status = reader_.WaitForWriter(flags_.timeout); !status.ok()) {
            return status;
          }
          break;
      }
    }
  }

 private:
  void NoteEnd(EndCause cause) {
    if (cause == EndCause::kClosed) return;
    absl::Status status = absl::AbortedError(absl::StrCat(
        cause == EndCause::kDied ? "a writer of " : "an operator has evicted a writer of ",
        reader_.stream(), cause == EndCause::kDied ? " died" : "", " before it was done; the ",
        frames_, " frames that it had committed were passed on"));
    if (flags_.follow) {
      Fail(kCommand, status);
    } else {
      result_.Update(status);
    }
  }

  void NoteGap(uint64_t lane_id, const LaneGap& gap) {
    const std::string frames = gap.frames == LaneGap::kUnknown
                                   ? "an unknown number of frames"
                                   : absl::StrCat(gap.frames, " frames");
    std::fprintf(stderr,
                 "causeway %s: gap in lane %" PRIu64 ", positions %" PRIu64 " to %" PRIu64
                 ": %s missed\n",
                 kCommand, lane_id, gap.begin, gap.end, frames.c_str());
  }

  absl::Status PassOn(const Frame& frame) {
    // Straight from the memory that the writer wrote, if it stays as it is meanwhile.
    if (Holds(flags_.reader.policy)) return WriteOut(frame.payload);
    copy_.assign(frame.payload.begin(), frame.payload.end());
    // Overwritten meanwhile: the gap that comes next begins with it.
    if (!reader_.Release()) return absl::OkStatus();
    return WriteOut(copy_);
  }

  absl::Status WriteOut(std::span<const std::byte> payload) {
    static constexpr char kNewline = '\n';
    iovec parts[2] = {
        {.iov_base = const_cast<std::byte*>(payload.data()), .iov_len = payload.size()},
        {.iov_base = const_cast<char*>(&kNewline),
         .iov_len = flags_.lines ? size_t{1} : size_t{0}}};
    while (parts[0].iov_len + parts[1].iov_len > 0) {
      const ssize_t written = writev(STDOUT_FILENO, parts, 2);
      if (written < 0) {
        if (absl::Status status = AfterFailedWrite(errno); !status.ok()) return status;
        continue;
      }
      size_t left = static_cast<size_t>(written);
      for (iovec& part : parts) {
        const size_t taken = std::min(left, part.iov_len);
        part.iov_base = static_cast<char*>(part.iov_base) + taken;
        part.iov_len -= taken;
        left -= taken;
      }
    }
    ++frames_;
    return absl::OkStatus();
  }

  // OK: try again.
  static absl::Status AfterFailedWrite(int error) {
    if (error == EINTR) return absl::OkStatus();
    if (error == EAGAIN) {
      pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
      poll(&room, 1, -1);
      return absl::OkStatus();
    }
    if (error == EPIPE) return absl::CancelledError("nobody reads standard output any more");
    return StatusFromErrno(error, {.operation = "write", .path = "standard output"});
  }

  const SubscribeFlags& flags_;
  Reader& reader_;
  uint64_t frames_ = 0;
  std::vector<std::byte> copy_;
  absl::Status result_;  // the first thing that went wrong while others went on
};

absl::Status Run(const SubscribeFlags& flags) {
  const absl::StatusOr<std::unique_ptr<Agent>> agent = AttachTo(flags.dir, kCommand);
  if (!agent.ok()) return agent.status();
  absl::StatusOr<std::unique_ptr<Reader>> reader = (*agent)->OpenReader(flags.stream, flags.reader);
  if (!reader.ok()) return reader.status();
  const absl::Status status = Subscriber(flags, **reader).Run();
  if (const uint64_t late = (*reader)->counters().frames_late; late > 0) {
    std::fprintf(stderr, "causeway %s: %" PRIu64 " frames came too late for their place\n",
                 kCommand, late);
  }
  reader->reset();
  const absl::Status detached = UnlessAway((*agent)->Detach());
  return status.ok() ? detached : status;
}

}  // namespace

int SubscribeMain(int argc, char** argv) {
  SubscribeFlags flags;
  CommandLine line(kCommand, "Writes what comes over a stream to standard output.", kExamples);
  line.Positional("STREAM", &flags.stream, "Name of the stream; made if there is none");
  line.Directory(&flags.dir);
  line.Switch("lines", &flags.lines, "A newline after each frame");
  line.Switch("follow", &flags.follow, "Wait for more writers when all have ended");
  std::string policy = "block";
  std::string from = "oldest";
  std::string merge = "none";
  line.Text("policy", &policy, "If this command lags: block (default), drop or evict");
  line.Text("from", &from, "oldest (default), latest or LANE:POSITION");
  line.Text("merge", &merge, "Order of different writers' frames: none (default), or\ntimestamp");
  line.Switch("latest", &flags.latest, "Each time the newest frame only; skips those before it");
  line.Duration("timeout", &flags.timeout, "Give up if nothing comes for so long (default inf)");
  const absl::StatusOr<bool> parsed = line.Parse(argc, argv);
  if (!parsed.ok()) return Fail(kCommand, parsed.status());
  if (!*parsed) return 0;
  absl::Status given = ParsePolicy(policy, flags.reader.policy);
  given.Update(ParseFrom(from, flags.reader));
  given.Update(ParseMerge(merge, flags.reader));
  if (flags.latest && flags.reader.merge != Merge::kNone) {
    given.Update(absl::InvalidArgumentError("--latest and --merge=timestamp exclude each other"));
  }
  if (!given.ok()) return Fail(kCommand, given);

  std::signal(SIGPIPE, SIG_IGN);
  const absl::Status status = Run(flags);
  if (absl::IsCancelled(status)) {
    // Everything is tidied up: end as other tools do.
    std::signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
  }
  return status.ok() ? 0 : Fail(kCommand, status);
}

}  // namespace causeway
