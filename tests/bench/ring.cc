#include "tests/bench/ring.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "tests/bench/channel_transport.h"
#include "tests/bench/shared_memory.h"

namespace causeway::bench {
namespace {

struct Indices {
  alignas(128) std::atomic<uint64_t> head{0};  // written by the consumer
  alignas(128) std::atomic<uint64_t> tail{0};  // written by the producer
};

constexpr size_t kSlotsOffset = 4096;

class RingChannel {
 public:
  class Writer {
   public:
    explicit Writer(RingChannel& ring)
        : indices_(ring.indices_), slots_(ring.slots_), count_(ring.count_), bytes_(ring.bytes_) {}

    std::byte* Claim(size_t) {
      while (tail_ - head_ == count_) head_ = indices_->head.load(std::memory_order_acquire);
      return slots_ + slot_ * bytes_;
    }
    bool Commit(size_t) {
      indices_->tail.store(++tail_, std::memory_order_release);
      if (++slot_ == count_) slot_ = 0;
      return true;
    }
    bool Flush() { return true; }
    std::string error() const { return {}; }
    uint64_t live_bytes() const { return count_ * bytes_; }

   private:
    Indices* const indices_;
    std::byte* const slots_;
    const uint64_t count_;
    const size_t bytes_;
    uint64_t head_ = 0;  // as last seen
    uint64_t tail_ = 0;
    uint64_t slot_ = 0;
  };

  class Reader {
   public:
    explicit Reader(RingChannel& ring)
        : indices_(ring.indices_), slots_(ring.slots_), count_(ring.count_), bytes_(ring.bytes_) {}

    std::span<const std::byte> Next() {
      while (head_ == tail_) tail_ = indices_->tail.load(std::memory_order_acquire);
      return {slots_ + slot_ * bytes_, bytes_};
    }
    void Release() {
      indices_->head.store(++head_, std::memory_order_release);
      if (++slot_ == count_) slot_ = 0;
    }
    void Pause() {}
    std::string error() const { return {}; }

   private:
    Indices* const indices_;
    const std::byte* const slots_;
    const uint64_t count_;
    const size_t bytes_;
    uint64_t head_ = 0;
    uint64_t tail_ = 0;  // as last seen
    uint64_t slot_ = 0;
  };

  static absl::StatusOr<std::unique_ptr<RingChannel>> Create(const ChannelSpec& spec) {
    if (spec.writers != 1 || spec.readers != 1) {
      return absl::UnimplementedError("the ring has one writer and one reader");
    }
    const uint64_t count = spec.WindowFrames(2, uint64_t{1} << 30);
    absl::StatusOr<SharedMemory> memory =
        AllocateSharedMemory(kSlotsOffset + count * spec.frame_bytes);
    if (!memory.ok()) return memory.status();
    return std::unique_ptr<RingChannel>(
        new RingChannel(*std::move(memory), count, spec.frame_bytes));
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    return std::make_unique<Writer>(*this);
  }
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int) {
    return std::make_unique<Reader>(*this);
  }

 private:
  RingChannel(SharedMemory memory, uint64_t count, size_t bytes)
      : memory_(std::move(memory)),
        indices_(new(memory_.get()) Indices),
        slots_(memory_.get() + kSlotsOffset),
        count_(count),
        bytes_(bytes) {}

  const SharedMemory memory_;
  Indices* const indices_;
  std::byte* const slots_;
  const uint64_t count_;
  const size_t bytes_;
};

}  // namespace

std::unique_ptr<Transport> MakeRing() { return std::make_unique<ChannelTransport<RingChannel>>(); }

}  // namespace causeway::bench
