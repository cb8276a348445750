#include "tests/bench/bare_limits.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/latencies.h"
#include "tests/bench/payload.h"
#include "tests/bench/shared_memory.h"
#include "tests/bench/ticks.h"

namespace causeway::bench {
namespace {

struct Words {
  alignas(128) std::atomic<uint32_t> ping{0};
  alignas(128) std::atomic<uint32_t> pong{0};
};

class PingPongTransport : public Transport {
 public:
  absl::Status Prepare(std::span<const ChannelSpec> channels) override {
    park_ = channels.front().waiting == Waiting::kPark;
    absl::StatusOr<SharedMemory> memory = AllocateSharedMemory(sizeof(Words));
    if (!memory.ok()) return memory.status();
    memory_ = *std::move(memory);
    words_ = new (memory_.get()) Words;
    return absl::OkStatus();
  }

  void Serve(const Role&, JobFeed& feed) override {
    feed.Ready();
    Latencies latencies;
    uint32_t trip = 0;  // of all jobs
    Job job;
    while (feed.Next(job)) {
      JobResult result;
      latencies.Forget();
      latencies.Reserve(job.frames);
      feed.Begin(job, result);
      if (job.kind == JobKind::kPing) {
        uint64_t before = Ticks();
        for (uint64_t i = 0; i < job.frames; ++i) {
          Set(words_->ping, ++trip);
          Await(words_->pong, trip);
          const uint64_t after = Ticks();
          latencies.Record(static_cast<int64_t>(after - before));
          before = after;
        }
      } else {
        for (uint64_t i = 0; i < job.frames; ++i) {
          Await(words_->ping, ++trip);
          Set(words_->pong, trip);
        }
      }
      feed.End(result);
      result.frames = job.frames;
      // There is nothing to read that could be wrong.
      result.checksum = ExpectedChecksum(job.frame_bytes, job.frames, job.ordered);
      if (job.kind == JobKind::kPing) result.latency = latencies.Summarize(NanosPerTick());
      feed.Answer(result);
    }
  }

 private:
  void Set(std::atomic<uint32_t>& word, uint32_t value) const {
    word.store(value, std::memory_order_release);
    if (park_) syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }

  void Await(std::atomic<uint32_t>& word, uint32_t value) const {
    while (word.load(std::memory_order_acquire) != value) {
      if (park_) syscall(SYS_futex, &word, FUTEX_WAIT, value - 1, nullptr, nullptr, 0);
    }
  }

  bool park_ = false;
  SharedMemory memory_;
  Words* words_ = nullptr;
};

class MemcpyTransport : public Transport {
 public:
  absl::Status Prepare(std::span<const ChannelSpec> channels) override {
    places_ = channels.front().WindowFrames(2, uint64_t{1} << 30);
    bytes_ = channels.front().frame_bytes;
    return absl::OkStatus();
  }

  void Serve(const Role&, JobFeed& feed) override {
    std::vector<std::byte> source(bytes_);
    FillPayload(source.data(), bytes_, 0);
    std::vector<std::byte> window(places_ * bytes_);
    feed.Ready();
    Job job;
    while (feed.Next(job)) {
      JobResult result;
      feed.Begin(job, result);
      uint64_t place = 0;
      for (uint64_t i = 0; i < job.frames; ++i) {
        std::memcpy(window.data() + place * bytes_, source.data(), bytes_);
        // What is copied is looked at, as far as the compiler knows.
        asm volatile("" : : "r"(window.data()) : "memory");
        if (++place == places_) place = 0;
      }
      feed.End(result);
      result.frames = job.frames;
      result.live_bytes = places_ * bytes_;
      feed.Answer(result);
    }
  }

 private:
  uint64_t places_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Transport> MakePingPong() { return std::make_unique<PingPongTransport>(); }

std::unique_ptr<Transport> MakeMemcpy() { return std::make_unique<MemcpyTransport>(); }

}  // namespace causeway::bench
