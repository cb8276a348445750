#include "tests/bench/boost_queue.h"

#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/channel_transport.h"

namespace causeway::bench {
namespace {

namespace bip = boost::interprocess;

constexpr uint64_t kMostMessages = 1024;

class BoostChannel {
 public:
  class Writer {
   public:
    Writer(bip::message_queue& queue, bool spins, size_t bytes)
        : queue_(queue), spins_(spins), frame_(bytes) {}

    std::byte* Claim(size_t) { return frame_.data(); }
    bool Commit(size_t bytes) try {
      if (spins_) {
        while (!queue_.try_send(frame_.data(), bytes, 0)) {
        }
      } else {
        queue_.send(frame_.data(), bytes, 0);
      }
      return true;
    } catch (const bip::interprocess_exception& exception) {
      error_ = exception.what();
      return false;
    }
    bool Flush() { return true; }
    std::string error() const { return error_; }
    uint64_t live_bytes() const { return 0; }

   private:
    bip::message_queue& queue_;
    const bool spins_;
    std::vector<std::byte> frame_;
    std::string error_;
  };

  class Reader {
   public:
    Reader(bip::message_queue& queue, bool spins, size_t bytes)
        : queue_(queue), spins_(spins), frame_(bytes) {}

    std::span<const std::byte> Next() try {
      size_t got = 0;
      unsigned priority = 0;
      if (spins_) {
        while (!queue_.try_receive(frame_.data(), frame_.size(), got, priority)) {
        }
      } else {
        queue_.receive(frame_.data(), frame_.size(), got, priority);
      }
      return {frame_.data(), got};
    } catch (const bip::interprocess_exception& exception) {
      error_ = exception.what();
      return {};
    }
    void Release() {}
    void Pause() {}
    std::string error() const { return error_; }

   private:
    bip::message_queue& queue_;
    const bool spins_;
    std::vector<std::byte> frame_;
    std::string error_;
  };

  static absl::StatusOr<std::unique_ptr<BoostChannel>> Create(const ChannelSpec& spec) try {
    if (spec.readers > 1) return absl::UnimplementedError("each message has one receiver");
    return std::unique_ptr<BoostChannel>(new BoostChannel(spec));
  } catch (const bip::interprocess_exception& exception) {
    return absl::UnavailableError(exception.what());
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    return std::make_unique<Writer>(queue_, spins_, bytes_);
  }
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int) {
    return std::make_unique<Reader>(queue_, spins_, bytes_);
  }

 private:
  explicit BoostChannel(const ChannelSpec& spec)
      : spins_(spec.waiting == Waiting::kSpin),
        bytes_(spec.frame_bytes),
        queue_(bip::create_only, spec.name.c_str(), spec.WindowFrames(4, kMostMessages),
               spec.frame_bytes) {
    // Processes inherit the mapping: the name has done its work.
    bip::message_queue::remove(spec.name.c_str());
  }

  const bool spins_;
  const size_t bytes_;
  bip::message_queue queue_;
};

}  // namespace

std::unique_ptr<Transport> MakeBoostQueue() {
  return std::make_unique<ChannelTransport<BoostChannel>>();
}

}  // namespace causeway::bench
