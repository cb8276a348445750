#include "agents/cli/publish.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

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

constexpr char kCommand[] = "publish";

constexpr absl::Duration kNewsPatience = absl::Seconds(5);

constexpr char kExamples[] =
    "  tar c src | causeway publish sources        and elsewhere, before or after:\n"
    "  causeway subscribe sources | tar x\n"
    "\n"
    "  journalctl -f | causeway publish log --lines --readers=0 --timestamps\n"
    "\n"
    "Like a named pipe, each end waits for the other. At the end of its input publish waits until\n"
    "every reader has read everything.\n"
    "\n"
    "Exit status: 0 if every reader that was there at the end has read everything, 1 if not, 2 "
    "for\n"
    "a mistake in the command.\n";

struct PublishFlags {
  std::string stream;
  std::string dir;
  uint64_t readers = 1;
  uint64_t frame_bytes = uint64_t{64} << 10;
  absl::Duration timeout = absl::InfiniteDuration();
  bool lines = false;
  bool timestamps = false;
};

// Standard input to one lane.
class Publisher {
 public:
  Publisher(const PublishFlags& flags, Writer& writer) : flags_(flags), writer_(writer) {}

  absl::Status Run() {
    if (absl::Status status = writer_.WaitForReaders(flags_.readers, flags_.timeout);
        !status.ok()) {
      return status;
    }
    if (absl::Status status = flags_.lines ? SendLines() : SendBytes(); !status.ok()) {
      return status;
    }
    if (absl::Status status = writer_.Drain(flags_.timeout); !status.ok()) return status;
    if (absl::Status status = CheckReaders(); !status.ok()) return status;
    return UnlessAway(writer_.Close());
  }

 private:
  // Each frame is what one read() gives, where readers will find it.
  absl::Status SendBytes() {
    while (true) {
      const absl::StatusOr<std::span<std::byte>> room =
          writer_.Claim(flags_.frame_bytes, flags_.timeout);
      if (!room.ok()) return room.status();
      const absl::StatusOr<size_t> got = ReadInput(*room);
      if (!got.ok()) return got.status();
      if (*got == 0) {
        writer_.Abandon();
        return absl::OkStatus();
      }
      writer_.Commit(*got);
      if (absl::Status status = CheckReaders(); !status.ok()) return status;
    }
  }

  absl::Status SendLines() {
    std::vector<std::byte> buffer(flags_.frame_bytes + 1);  // A line and its newline.
    size_t begin = 0;                                       // Of the bytes not yet sent.
    size_t end = 0;
    size_t searched = 0;  // No newline before this.
    while (true) {
      const void* newline = std::memchr(&buffer[searched], '\n', end - searched);
      if (newline != nullptr) {
        const size_t length = static_cast<const std::byte*>(newline) - &buffer[begin];
        if (absl::Status status = SendLine({&buffer[begin], length}); !status.ok()) return status;
        begin += length + 1;
        searched = begin;
        if (begin < buffer.size()) continue;
      }
      std::memmove(buffer.data(), buffer.data() + begin, end - begin);
      end -= begin;
      begin = 0;
      searched = end;
      if (end == buffer.size()) {
        return absl::InvalidArgumentError(absl::StrCat("line ", lines_ + 1, " is longer than ",
                                                       flags_.frame_bytes,
                                                       " bytes; allow more with --frame_bytes"));
      }
      const absl::StatusOr<size_t> got = ReadInput(std::span<std::byte>(buffer).subspan(end));
      if (!got.ok()) return got.status();
      if (*got == 0) return end == 0 ? absl::OkStatus() : SendLine({buffer.data(), end});
      end += *got;
    }
  }

  absl::Status SendLine(std::span<const std::byte> line) {
    ++lines_;
    if (absl::Status status = writer_.Write(line, flags_.timeout); !status.ok()) return status;
    return CheckReaders();
  }

  absl::StatusOr<size_t> ReadInput(std::span<std::byte> destination) {
    ssize_t got = 0;
    do {
      got = read(STDIN_FILENO, destination.data(), destination.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EFAULT) return WhyMemoryWentAway();
    if (got < 0) return StatusFromErrno(errno, {.operation = "read", .path = "standard input"});
    return static_cast<size_t>(got);
  }

  // A claim's memory goes away when the session is evicted, and the news of it may come later.
  absl::Status WhyMemoryWentAway() {
    constexpr size_t kMoreThanThereAre = SIZE_MAX;
    const absl::Status status = writer_.WaitForReaders(kMoreThanThereAre, kNewsPatience);
    if (!absl::IsDeadlineExceeded(status)) return status;
    return absl::DataLossError(absl::StrCat("the shared memory of ", writer_.stream(),
                                            " was truncated by another process"));
  }

  absl::Status CheckReaders() const {
    if (flags_.readers == 0 || writer_.readers() > 0) return absl::OkStatus();
    return absl::AbortedError(absl::StrCat("every reader of ", writer_.stream(),
                                           " has left, after ", writer_.counters().payload_bytes,
                                           " bytes were sent; --readers=0 goes on without"));
  }

  const PublishFlags& flags_;
  Writer& writer_;
  uint64_t lines_ = 0;
};

absl::Status CheckTimestamps(const PublishFlags& flags, const Writer& writer) {
  if (!flags.timestamps || writer.stream_options().timestamps) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("--timestamps: stream ", writer.stream(),
                   " was made without; that is fixed when a stream is made"));
}

absl::Status CheckFrameBytes(const PublishFlags& flags, const Writer& writer) {
  const uint64_t most = writer.stream_options().max_frame_bytes;
  if (flags.frame_bytes >= 1 && flags.frame_bytes <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--frame_bytes is ", flags.frame_bytes, "; on this stream it must be 1 to ",
                   most, " (causeway create --max_frame_bytes makes a stream with another limit)"));
}

absl::Status Run(const PublishFlags& flags) {
  const absl::StatusOr<std::unique_ptr<Agent>> agent = AttachTo(flags.dir, kCommand);
  if (!agent.ok()) return agent.status();
  WriterOptions options;
  options.stream.timestamps = flags.timestamps;
  absl::StatusOr<std::unique_ptr<Writer>> writer = (*agent)->OpenWriter(flags.stream, options);
  if (!writer.ok()) return writer.status();
  absl::Status status = CheckFrameBytes(flags, **writer);
  status.Update(CheckTimestamps(flags, **writer));
  if (status.ok()) status = Publisher(flags, **writer).Run();
  if (!status.ok()) return status;
  writer->reset();
  return UnlessAway((*agent)->Detach());
}

}  // namespace

int PublishMain(int argc, char** argv) {
  PublishFlags flags;
  CommandLine line(kCommand, "Writes standard input to a stream, through shared memory.",
                   kExamples);
  line.Positional("STREAM", &flags.stream, "Name of the stream; made if there is none");
  line.Directory(&flags.dir);
  line.Count("readers", &flags.readers,
             "Wait for so many readers first (default 1); 0: wait for\n"
             "none, and go on without any");
  line.Size("frame_bytes", &flags.frame_bytes,
            "Most bytes of one frame, or of one line (default 64KiB)");
  line.Switch("lines", &flags.lines, "One frame per line, without its newline");
  line.Switch("timestamps", &flags.timestamps,
              "Frames carry the time at which they were sent, for\nsubscribe --merge=timestamp");
  line.Duration("timeout", &flags.timeout,
                "Longest wait for readers, to come or to read (default\ninf)");
  const absl::StatusOr<bool> parsed = line.Parse(argc, argv);
  if (!parsed.ok()) return Fail(kCommand, parsed.status());
  if (!*parsed) return 0;
  const absl::Status status = Run(flags);
  return status.ok() ? 0 : Fail(kCommand, status);
}

}  // namespace causeway
