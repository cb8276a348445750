#include "tests/bench/lane.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"
#include "tests/bench/channel_transport.h"

namespace causeway::bench {
namespace {

// What the coordinator gives to a stream that asks for nothing.
constexpr uint64_t kSegmentBytes = uint64_t{1} << 20;
constexpr uint64_t kCapacityBytes = uint64_t{256} << 20;
constexpr uint64_t kMaxFrameBytes = uint64_t{64} << 20;

class LaneChannel {
 public:
  class Writer {
   public:
    Writer(LaneWriter& lane, Waiting waiting) : lane_(lane), waiting_(waiting) {}

    std::byte* Claim(size_t bytes) {
      causeway::Claim claim = lane_.TryClaim(bytes);
      while (!claim) [[unlikely]] {
        if (claim.refusal != Refusal::kFull) return nullptr;
        claim = waiting_ == Waiting::kSpin ? lane_.TryClaim(bytes)
                                           : lane_.ClaimUntil(bytes, Deadline::Infinite());
      }
      return claim.data;
    }
    bool Commit(size_t bytes) { return lane_.Commit(bytes); }
    bool Flush() { return true; }
    std::string error() const { return lane_.status().ToString(); }
    uint64_t live_bytes() const { return lane_.counters().segment_bytes; }

   private:
    LaneWriter& lane_;
    const Waiting waiting_;
  };

  class Reader {
   public:
    Reader(std::unique_ptr<LaneReader> lane, Waiting waiting)
        : lane_(std::move(lane)),
          spins_(waiting == Waiting::kSpin),
          wait_set_(waiting == Waiting::kPark ? WaitSetOptions{.max_spin_nanos = 0}
                                              : WaitSetOptions{}) {
      wait_set_.Add(lane_.get());
    }
    ~Reader() { wait_set_.Remove(lane_.get()); }

    std::span<const std::byte> Next() {
      while (true) {
        const FrameView frame = lane_->TryNext();
        if (frame) [[likely]]
          return frame.payload();
        if (frame.state == ReadState::kEnded || frame.state == ReadState::kDamaged) return {};
        if (!spins_) wait_set_.WaitUntil(Deadline::Infinite());
      }
    }
    void Release() {}  // The next TryNext() does it.
    void Pause() { lane_->Release(); }
    std::string error() const { return lane_->status().ToString(); }

   private:
    const std::unique_ptr<LaneReader> lane_;
    const bool spins_;
    WaitSet wait_set_;
  };

  static absl::StatusOr<std::unique_ptr<LaneChannel>> Create(const ChannelSpec& spec) {
    if (spec.writers != 1) return absl::UnimplementedError("a lane has one writer");
    return std::unique_ptr<LaneChannel>(new LaneChannel(spec));
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    for (size_t i = 0; i < readers_.size(); ++i) lane_.Admit(i + 1);
    return std::make_unique<Writer>(lane_.writer(), waiting_);
  }
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int index) {
    return std::make_unique<Reader>(std::move(readers_[static_cast<size_t>(index)]), waiting_);
  }

 private:
  explicit LaneChannel(const ChannelSpec& spec)
      : waiting_(spec.waiting),
        lane_({.segment_bytes = kSegmentBytes,
               .capacity_bytes = kCapacityBytes + 2 * kSegmentBytes,
               .max_frame_bytes = kMaxFrameBytes,
               .grow_patience = LaneWriterOptions().grow_patience}) {
    for (int i = 0; i < spec.readers; ++i) {
      readers_.push_back(lane_.OpenReader(static_cast<uint64_t>(i) + 1));
    }
  }

  const Waiting waiting_;
  testing::TestLane lane_;
  std::vector<std::unique_ptr<LaneReader>> readers_;
};

}  // namespace

std::unique_ptr<Transport> MakeLane() { return std::make_unique<ChannelTransport<LaneChannel>>(); }

}  // namespace causeway::bench
