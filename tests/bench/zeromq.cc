#include "tests/bench/zeromq.h"

#include <zmq.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/channel_transport.h"

namespace causeway::bench {
namespace {

// ZeroMQ's own default, and as many as it needs for small messages.
constexpr uint64_t kHighWaterMark = 1000;

std::string LastError() { return zmq_strerror(zmq_errno()); }

// A context with one socket.
class Socket {
 public:
  Socket(int type, const ChannelSpec& spec) : context_(zmq_ctx_new()) {
    socket_ = zmq_socket(context_, type);
    const int mark = static_cast<int>(spec.WindowFrames(4, kHighWaterMark));
    Set(ZMQ_SNDHWM, mark);
    Set(ZMQ_RCVHWM, mark);
    Set(ZMQ_LINGER, 0);
  }
  ~Socket() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void Set(int option, int value) { zmq_setsockopt(socket_, option, &value, sizeof(value)); }
  void* get() const { return socket_; }

  // In Linux's abstract name space: no file stays.
  absl::Status Open(const ChannelSpec& spec, bool bind) {
    const std::string endpoint = absl::StrCat("ipc://@", spec.name);
    const int result =
        bind ? zmq_bind(socket_, endpoint.c_str()) : zmq_connect(socket_, endpoint.c_str());
    return result == 0 ? absl::OkStatus()
                       : absl::UnavailableError(absl::StrCat(endpoint, ": ", LastError()));
  }

 private:
  void* const context_;
  void* socket_;
};

class ZeroMqChannel {
 public:
  class Writer {
   public:
    explicit Writer(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}

    std::byte* Claim(size_t bytes) {
      if (zmq_msg_init_size(&message_, bytes) != 0) return nullptr;
      return static_cast<std::byte*>(zmq_msg_data(&message_));
    }
    bool Commit(size_t) { return zmq_msg_send(&message_, socket_->get(), 0) >= 0; }
    bool Flush() { return true; }
    std::string error() const { return LastError(); }
    uint64_t live_bytes() const { return 0; }

   private:
    const std::unique_ptr<Socket> socket_;
    zmq_msg_t message_;
  };

  class Reader {
   public:
    explicit Reader(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}

    std::span<const std::byte> Next() {
      zmq_msg_init(&message_);
      if (zmq_msg_recv(&message_, socket_->get(), 0) < 0) return {};
      return {static_cast<const std::byte*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
    }
    void Release() { zmq_msg_close(&message_); }
    void Pause() {}
    std::string error() const { return LastError(); }

   private:
    const std::unique_ptr<Socket> socket_;
    zmq_msg_t message_;
  };

  static absl::StatusOr<std::unique_ptr<ZeroMqChannel>> Create(const ChannelSpec& spec) {
    if (spec.writers > 1 && spec.readers > 1) {
      return absl::UnimplementedError("several writers with several readers");
    }
    return std::unique_ptr<ZeroMqChannel>(new ZeroMqChannel(spec));
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    auto socket = std::make_unique<Socket>(spec_.readers > 1 ? ZMQ_XPUB : ZMQ_PUSH, spec_);
    socket->Set(spec_.readers > 1 ? ZMQ_XPUB_NODROP : ZMQ_IMMEDIATE, 1);
    // Else it tells of the first of equal subscriptions alone.
    if (spec_.readers > 1) socket->Set(ZMQ_XPUB_VERBOSE, 1);
    if (const absl::Status open = socket->Open(spec_, spec_.readers > 1); !open.ok()) return open;
    // An XPUB is told of each subscription.
    for (int i = 0; spec_.readers > 1 && i < spec_.readers; ++i) {
      char subscription[16];
      if (zmq_recv(socket->get(), subscription, sizeof(subscription), 0) < 0) {
        return absl::UnavailableError(LastError());
      }
    }
    return std::make_unique<Writer>(std::move(socket));
  }

  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int) {
    auto socket = std::make_unique<Socket>(spec_.readers > 1 ? ZMQ_SUB : ZMQ_PULL, spec_);
    if (spec_.readers > 1) {
      socket->Set(ZMQ_RECONNECT_IVL, 1);
      zmq_setsockopt(socket->get(), ZMQ_SUBSCRIBE, "", 0);
    }
    if (const absl::Status open = socket->Open(spec_, spec_.readers == 1); !open.ok()) return open;
    return std::make_unique<Reader>(std::move(socket));
  }

 private:
  explicit ZeroMqChannel(const ChannelSpec& spec) : spec_(spec) {}

  const ChannelSpec spec_;
};

}  // namespace

std::unique_ptr<Transport> MakeZeroMq() {
  return std::make_unique<ChannelTransport<ZeroMqChannel>>();
}

}  // namespace causeway::bench
