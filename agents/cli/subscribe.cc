#include "agents/cli/subscribe.h"

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/cli/attach.h"
#include "agents/cli/command_line.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

constexpr char kCommand[] = "subscribe";

constexpr char kExamples[] =
    "  causeway subscribe sources | tar x          with, elsewhere, before or after:\n"
    "  tar c src | causeway publish sources\n"
    "\n"
    "  causeway subscribe log --lines --follow | grep ERROR\n"
    "\n"
    "Reads from when it joins: what was published before may be gone. Ends when every writer that\n"
    "it has seen has ended.\n"
    "\n"
    "Exit status: 0 if every writer ended as it should and everything was passed on, 1 if not, 2 "
    "for\n"
    "a mistake in the command.\n";

struct SubscribeFlags {
  std::string stream;
  std::string dir;
  absl::Duration timeout = absl::InfiniteDuration();
  bool lines = false;
  bool follow = false;
};

// A stream to standard output.
class Subscriber {
 public:
  Subscriber(const SubscribeFlags& flags, Reader& reader) : flags_(flags), reader_(reader) {}

  // Until every writer has ended. Cancelled: nobody reads standard output any more.
  absl::Status Run() {
    while (true) {
      Frame frame;
      if (reader_.TryNext(frame)) {
        if (absl::Status status = PassOn(frame); !status.ok()) return status;
        continue;
      }
      const absl::StatusOr<Delivery> next = reader_.Next(flags_.timeout);
      if (!next.ok()) return next.status();
      switch (next->kind) {
        case Delivery::Kind::kFrame:
          if (absl::Status status = PassOn(next->frame); !status.ok()) return status;
          break;
        case Delivery::Kind::kDeadline:
          return absl::DeadlineExceededError(absl::StrCat(
              "nothing came from ", reader_.stream(), " for ", absl::FormatDuration(flags_.timeout),
              ", after ", frames_, " frames; --timeout=inf waits for ever"));
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

  // Straight from the memory that the writer wrote.
  absl::Status PassOn(const Frame& frame) {
    static constexpr char kNewline = '\n';
    iovec parts[2] = {
        {.iov_base = const_cast<std::byte*>(frame.payload.data()), .iov_len = frame.payload.size()},
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
  absl::Status result_;  // the first thing that went wrong while others went on
};

absl::Status Run(const SubscribeFlags& flags) {
  const absl::StatusOr<std::unique_ptr<Agent>> agent = AttachTo(flags.dir, kCommand);
  if (!agent.ok()) return agent.status();
  absl::StatusOr<std::unique_ptr<Reader>> reader = (*agent)->OpenReader(flags.stream);
  if (!reader.ok()) return reader.status();
  const absl::Status status = Subscriber(flags, **reader).Run();
  reader->reset();
  const absl::Status detached = (*agent)->Detach();
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
  line.Duration("timeout", &flags.timeout, "Give up if nothing comes for so long (default inf)");
  const absl::StatusOr<bool> parsed = line.Parse(argc, argv);
  if (!parsed.ok()) return Fail(kCommand, parsed.status());
  if (!*parsed) return 0;

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
