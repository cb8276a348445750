#include "tests/bench/byte_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/unique_fd.h"
#include "tests/bench/channel_transport.h"

namespace causeway::bench {
namespace {

constexpr int kBufferBytes = 1 << 20;
// Frames up to this size are read several at a time.
constexpr size_t kReadBytes = 64 << 10;

struct Ends {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Ends> OpenPipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return StatusFromErrno(errno, {.operation = "pipe2"});
  Ends ends = {UniqueFd(fds[0]), UniqueFd(fds[1])};
  if (fcntl(fds[1], F_SETPIPE_SZ, kBufferBytes) < 0) {
    return StatusFromErrno(errno, {.operation = "fcntl(F_SETPIPE_SZ)"});
  }
  return ends;
}

absl::StatusOr<Ends> OpenSockets() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return StatusFromErrno(errno, {.operation = "socketpair"});
  }
  Ends ends = {UniqueFd(fds[0]), UniqueFd(fds[1])};
  // As much as net.core.wmem_max allows.
  setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof(kBufferBytes));
  return ends;
}

template <absl::StatusOr<Ends> (*Open)()>
class ByteStreamChannel {
 public:
  class Writer {
   public:
    Writer(int fd, size_t bytes) : fd_(fd), frame_(bytes) {}

    std::byte* Claim(size_t) { return frame_.data(); }
    bool Commit(size_t bytes) {
      for (size_t done = 0; done < bytes;) {
        const ssize_t written = write(fd_, frame_.data() + done, bytes - done);
        if (written >= 0) {
          done += static_cast<size_t>(written);
        } else if (errno != EAGAIN && errno != EINTR) {
          error_ = std::strerror(errno);
          return false;
        }
      }
      return true;
    }
    bool Flush() { return true; }
    std::string error() const { return error_; }
    uint64_t live_bytes() const { return 0; }

   private:
    const int fd_;
    std::vector<std::byte> frame_;
    std::string error_;
  };

  class Reader {
   public:
    Reader(int fd, size_t bytes)
        : fd_(fd), bytes_(bytes), buffer_(std::max(bytes, kReadBytes / bytes * bytes)) {}

    std::span<const std::byte> Next() {
      if (end_ - begin_ < bytes_) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        while (end_ < bytes_) {
          const ssize_t got = read(fd_, buffer_.data() + end_, buffer_.size() - end_);
          if (got > 0) {
            end_ += static_cast<size_t>(got);
          } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            error_ = got == 0 ? "the writer has gone" : std::strerror(errno);
            return {};
          }
        }
      }
      return {buffer_.data() + begin_, bytes_};
    }
    void Release() { begin_ += bytes_; }
    void Pause() {}
    std::string error() const { return error_; }

   private:
    const int fd_;
    const size_t bytes_;
    std::vector<std::byte> buffer_;
    size_t begin_ = 0;
    size_t end_ = 0;
    std::string error_;
  };

  static absl::StatusOr<std::unique_ptr<ByteStreamChannel>> Create(const ChannelSpec& spec) {
    if (spec.writers != 1 || spec.readers != 1) {
      return absl::UnimplementedError("one writer and one reader");
    }
    absl::StatusOr<Ends> ends = Open();
    if (!ends.ok()) return ends.status();
    if (spec.waiting == Waiting::kSpin) {
      fcntl(ends->read.get(), F_SETFL, O_NONBLOCK);
      fcntl(ends->write.get(), F_SETFL, O_NONBLOCK);
    }
    return std::unique_ptr<ByteStreamChannel>(
        new ByteStreamChannel(*std::move(ends), spec.frame_bytes));
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    return std::make_unique<Writer>(ends_.write.get(), bytes_);
  }
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int) {
    return std::make_unique<Reader>(ends_.read.get(), bytes_);
  }

 private:
  ByteStreamChannel(Ends ends, size_t bytes) : ends_(std::move(ends)), bytes_(bytes) {}

  const Ends ends_;
  const size_t bytes_;
};

}  // namespace

std::unique_ptr<Transport> MakePipe() {
  return std::make_unique<ChannelTransport<ByteStreamChannel<OpenPipe>>>();
}

std::unique_ptr<Transport> MakeUnixSocket() {
  return std::make_unique<ChannelTransport<ByteStreamChannel<OpenSockets>>>();
}

}  // namespace causeway::bench
