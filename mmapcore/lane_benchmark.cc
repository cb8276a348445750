// What a lane costs next to what the machine can do.
//
//   bazel run -c opt //mmapcore:lane_benchmark
//
// Two processes, pinned to a core each. The limits are a raw ring of fixed slots (for throughput)
// and a word bounced between two cache lines (for the round trip), without names, lengths, bounds,
// rolls or recovery. Limit and lane run in turn, several rounds: on a shared host a figure alone
// says nothing, their ratio does. Printed: the limit and the lane at the median of the ratios, that
// median, and the best one.

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::TestLane;

constexpr int kRounds = 7;
constexpr uint64_t kRingBytes = 4 << 20;
constexpr uint64_t kDefaultSegmentBytes = 1 << 20;

void Pin(pid_t process, int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(process, sizeof(cores), &cores);
}

// Memory that a child made by fork() shares.
template <typename T>
T* Shared(size_t bytes = sizeof(T)) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return static_cast<T*>(memory);
}

// Runs the two in two processes on two cores, started together, and returns the nanoseconds until
// both are through.
double RunPair(const std::function<void()>& here, const std::function<void()>& there) {
  auto* const started = Shared<std::atomic<int>>();
  const pid_t child = fork();
  if (child == 0) {
    started->store(1);
    while (started->load() != 2) {
    }
    there();
    _exit(0);
  }
  // From here, since the child inherits this process's core and might not get to run there.
  Pin(child, 1);
  Pin(getpid(), 0);
  while (started->load() != 1) {
  }
  const int64_t begin = Deadline::NowNanos();
  started->store(2);
  here();
  int status = 0;
  waitpid(child, &status, 0);
  const int64_t end = Deadline::NowNanos();
  munmap(started, sizeof(*started));
  if (!WIFEXITED(status)) std::abort();
  return static_cast<double>(end - begin);
}

// What a consumer does with a payload: reads every word of it.
uint64_t Consume(const std::byte* data, size_t size) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= size; i += 8) {
    uint64_t word;
    std::memcpy(&word, data + i, 8);
    sum += word;
  }
  return sum;
}

volatile uint64_t sink;

// ---- Throughput ---------------------------------------------------------------------------------

struct Ring {
  alignas(128) std::atomic<uint64_t> head;  // written by the consumer
  alignas(128) std::atomic<uint64_t> tail;  // written by the producer
  alignas(128) std::byte slots[kRingBytes];
};

double RingThroughput(size_t size, uint64_t frames) {
  Ring* const ring = Shared<Ring>();
  const uint64_t slots = kRingBytes / size;
  const std::vector<std::byte> source(size, std::byte{7});
  const double nanos = RunPair(
      [&] {
        uint64_t head = 0;
        uint64_t slot = 0;
        for (uint64_t tail = 0; tail < frames; ++tail) {
          while (tail - head == slots) head = ring->head.load(std::memory_order_acquire);
          std::memcpy(ring->slots + slot * size, source.data(), size);
          ring->tail.store(tail + 1, std::memory_order_release);
          if (++slot == slots) slot = 0;
        }
      },
      [&] {
        uint64_t tail = 0;
        uint64_t slot = 0;
        uint64_t sum = 0;
        for (uint64_t head = 0; head < frames; ++head) {
          while (head == tail) tail = ring->tail.load(std::memory_order_acquire);
          sum += Consume(ring->slots + slot * size, size);
          ring->head.store(head + 1, std::memory_order_release);
          if (++slot == slots) slot = 0;
        }
        sink = sum;
      });
  munmap(ring, sizeof(Ring));
  return nanos;
}

double LaneThroughput(size_t size, uint64_t frames, uint64_t segment_bytes, bool park) {
  TestLane lane({.segment_bytes = segment_bytes,
                 .capacity_bytes = std::max<uint64_t>(kRingBytes, 4 * segment_bytes),
                 .max_frame_bytes = size});
  lane.writer();
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  const std::vector<std::byte> source(size, std::byte{7});
  return RunPair(
      [&] {
        LaneWriter& writer = lane.writer();
        for (uint64_t i = 0; i < frames; ++i) {
          Claim claim = writer.TryClaim(size);
          while (!claim) {
            claim = park ? writer.ClaimUntil(size, Deadline::Infinite()) : writer.TryClaim(size);
          }
          std::memcpy(claim.data, source.data(), size);
          writer.Commit(size);
        }
      },
      [&] {
        WaitSet waiting;
        waiting.Add(reader.get());
        uint64_t sum = 0;
        for (uint64_t i = 0; i < frames;) {
          const FrameView frame = reader->TryNext();
          if (frame) {
            sum += Consume(frame.data, frame.size);
            ++i;
          } else if (park) {
            waiting.WaitUntil(Deadline::Infinite());
          }
        }
        reader->Release();
        sink = sum;
      });
}

// ---- Round trip ---------------------------------------------------------------------------------

struct PingPong {
  alignas(128) std::atomic<uint32_t> ping;
  alignas(128) std::atomic<uint32_t> pong;
};

void FutexWait(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}

void Set(std::atomic<uint32_t>& word, uint32_t value, bool park) {
  word.store(value, std::memory_order_release);
  if (park) syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Await(std::atomic<uint32_t>& word, uint32_t value, bool park) {
  while (word.load(std::memory_order_acquire) != value) {
    if (park) FutexWait(word, value - 1);
  }
}

double BareRoundTrip(uint32_t trips, bool park) {
  PingPong* const words = Shared<PingPong>();
  const double nanos = RunPair(
      [&] {
        for (uint32_t i = 1; i <= trips; ++i) {
          Set(words->ping, i, park);
          Await(words->pong, i, park);
        }
      },
      [&] {
        for (uint32_t i = 1; i <= trips; ++i) {
          Await(words->ping, i, park);
          Set(words->pong, i, park);
        }
      });
  munmap(words, sizeof(PingPong));
  return nanos;
}

void Send(LaneWriter& writer) {
  const Claim claim = writer.ClaimUntil(32, Deadline::Infinite());
  std::memset(claim.data, 1, 32);
  writer.Commit(32);
}

void Receive(LaneReader& reader, WaitSet* waiting) {
  while (true) {
    const FrameView frame = reader.TryNext();
    if (frame) {
      sink = Consume(frame.data, frame.size);
      return;
    }
    if (waiting != nullptr) waiting->WaitUntil(Deadline::Infinite());
  }
}

double LaneRoundTrip(uint32_t trips, bool park) {
  const testing::TestLaneOptions options = {.segment_bytes = kDefaultSegmentBytes,
                                            .capacity_bytes = 4 * kDefaultSegmentBytes};
  TestLane there(options);
  TestLane back(options);
  std::unique_ptr<LaneReader> pinged = there.Join(1);
  std::unique_ptr<LaneReader> ponged = back.Join(1);
  const auto wait_set = [&](LaneReader* reader) -> std::unique_ptr<WaitSet> {
    if (!park) return nullptr;
    auto waiting = std::make_unique<WaitSet>(WaitSetOptions{.max_spin_nanos = 0});
    waiting->Add(reader);
    return waiting;
  };
  return RunPair(
      [&] {
        const std::unique_ptr<WaitSet> waiting = wait_set(ponged.get());
        for (uint32_t i = 0; i < trips; ++i) {
          Send(there.writer());
          Receive(*ponged, waiting.get());
        }
      },
      [&] {
        const std::unique_ptr<WaitSet> waiting = wait_set(pinged.get());
        for (uint32_t i = 0; i < trips; ++i) {
          Receive(*pinged, waiting.get());
          Send(back.writer());
        }
      });
}

// ---- Comparison ---------------------------------------------------------------------------------

struct Round {
  double limit_nanos;
  double lane_nanos;
  double speed() const { return limit_nanos / lane_nanos; }
};

// Limit and lane in turn; sorted by the lane's speed relative to the limit.
std::vector<Round> Compare(const std::function<double()>& limit,
                           const std::function<double()>& lane) {
  std::vector<Round> rounds;
  limit();
  lane();
  for (int i = 0; i < kRounds; ++i) {
    const double limit_nanos = limit();
    rounds.push_back({limit_nanos, lane()});
  }
  std::sort(rounds.begin(), rounds.end(),
            [](const Round& a, const Round& b) { return a.speed() < b.speed(); });
  return rounds;
}

void PrintThroughput(const std::string& name, size_t size, uint64_t frames,
                     const std::vector<Round>& rounds) {
  const Round& median = rounds[rounds.size() / 2];
  const auto millions = [&](double nanos) { return static_cast<double>(frames) * 1e3 / nanos; };
  const auto gigabytes = [&](double nanos) { return static_cast<double>(frames * size) / nanos; };
  std::printf(
      "%-18s ring %7.2f M/s %6.2f GB/s  lane %7.2f M/s %6.2f GB/s  "
      "lane/ring %.2f (best %.2f)\n",
      name.c_str(), millions(median.limit_nanos), gigabytes(median.limit_nanos),
      millions(median.lane_nanos), gigabytes(median.lane_nanos), median.speed(),
      rounds.back().speed());
}

void PrintRoundTrip(const std::string& name, uint32_t trips, const std::vector<Round>& rounds) {
  const Round& median = rounds[rounds.size() / 2];
  std::printf("%-18s bare %9.1f ns  lane %9.1f ns  lane/bare %.2f (best %.2f)\n", name.c_str(),
              median.limit_nanos / trips, median.lane_nanos / trips, 1 / median.speed(),
              1 / rounds.back().speed());
}

void Run(const char* filter, uint64_t segment_bytes) {
  const auto wanted = [&](const std::string& name) {
    return name.find(filter) != std::string::npos;
  };
  std::printf("segments of %" PRIu64 " KiB, %d rounds\n", segment_bytes >> 10, kRounds);
  const struct {
    size_t size;
    uint64_t frames;
  } sizes[] = {{64, 5'000'000}, {1024, 500'000}, {65536, 10'000}};
  for (const auto& [size, frames] : sizes) {
    for (const bool park : {false, true}) {
      const std::string name = "stream" + std::to_string(size) + (park ? " park" : " spin");
      if (!wanted(name)) continue;
      PrintThroughput(name, size, frames,
                      Compare([&] { return RingThroughput(size, frames); },
                              [&] { return LaneThroughput(size, frames, segment_bytes, park); }));
    }
  }
  for (const bool park : {false, true}) {
    const std::string name = std::string("trip32") + (park ? " park" : " spin");
    if (!wanted(name)) continue;
    const uint32_t trips = park ? 10'000 : 500'000;
    PrintRoundTrip(name, trips,
                   Compare([&] { return BareRoundTrip(trips, park); },
                           [&] { return LaneRoundTrip(trips, park); }));
  }
}

}  // namespace
}  // namespace causeway

// Arguments: a part of a benchmark's name ("": all), then segment sizes in KiB.
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const char* const filter = argc > 1 ? argv[1] : "";
  if (argc < 3) causeway::Run(filter, causeway::kDefaultSegmentBytes);
  for (int i = 2; i < argc; ++i) causeway::Run(filter, std::strtoull(argv[i], nullptr, 10) << 10);
  return 0;
}
