// What a reader's policy costs its writer, and what stopped and further readers do.
//
//   bazel run -c opt //mmapcore:lane_policy_benchmark
//
// Writer and reader are two processes on a core each. Three readers share the reader's core, and
// so must be of a policy that lets the writer go on. All cases of one frame length run in turn,
// several rounds; printed are the rates and their ratio to a blocking reader's of the same round:
// the median and the best. The stopped reader has joined, read nothing, and never moves; the clock
// runs from when it was lapped (before that the lane grows, at the cost of one grant per segment).

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "mmapcore/deadline.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/wait_set.h"

namespace causeway {
namespace {

using ::causeway::testing::TestLane;

constexpr int kRounds = 7;
constexpr uint64_t kStopped = 9;
constexpr uint64_t kCapacityBytes = 32 << 20;

struct Case {
  const char* name;
  ReaderPolicy reads = ReaderPolicy::kBlock;
  ReaderPolicy stopped = ReaderPolicy::kBlock;  // kBlock: there is none
  size_t readers = 1;
};

constexpr Case kCases[] = {
    {.name = "block"},
    {.name = "drop", .reads = ReaderPolicy::kDrop},
    {.name = "three of drop", .reads = ReaderPolicy::kDrop, .readers = 3},
    {.name = "block, beside a stopped drop", .stopped = ReaderPolicy::kDrop},
    {.name = "block, beside a stopped evict", .stopped = ReaderPolicy::kEvict},
};

void Pin(pid_t process, int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(process, sizeof(cores), &cores);
}

using Readers = std::vector<std::unique_ptr<LaneReader>>;

// Reads header words and lets go of each frame, as one who copies would; of some frames of one
// reader, then of the next.
void ReadToTheEnd(Readers readers) {
  constexpr int kFramesInTurn = 64;
  WaitSet waiting;
  for (const auto& reader : readers) waiting.Add(reader.get());
  while (!readers.empty()) {
    bool idle = true;
    for (size_t i = 0; i < readers.size(); ++i) {
      ReadState state = ReadState::kFrame;
      for (int frame = 0; frame < kFramesInTurn && state == ReadState::kFrame; ++frame) {
        state = readers[i]->TryNext().state;
      }
      if (state == ReadState::kFrame || state == ReadState::kGap) {
        idle = false;
      } else if (state != ReadState::kNothing && state != ReadState::kNotJoined) {
        waiting.Remove(readers[i].get());
        readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(i--));
        idle = false;
      }
    }
    if (idle) waiting.WaitUntil(Deadline::Infinite());
  }
}

// Frames that the writer writes per second.
double Rate(const Case& which, uint64_t bytes, uint64_t frames) {
  TestLane lane({.segment_bytes = 1 << 20,
                 .capacity_bytes = kCapacityBytes,
                 .max_frame_bytes = 64 << 10,
                 .initial_segments = 2});
  std::unique_ptr<LaneReader> stopped;
  if (which.stopped != ReaderPolicy::kBlock) {
    stopped = lane.Join(kStopped, {.policy = which.stopped});
  }
  Readers readers;
  for (uint64_t id = 1; id <= which.readers; ++id) {
    readers.push_back(lane.Join(id, {.policy = which.reads}));
  }
  const pid_t child = fork();
  if (child == 0) {
    ReadToTheEnd(std::move(readers));
    _exit(0);
  }
  Pin(child, 1);
  Pin(getpid(), 0);
  // Until the lane has grown to its capacity, and the stopped reader was lapped: once in its life.
  const uint64_t warm_up = 2 * kCapacityBytes / bytes;
  int64_t begin = 0;
  for (uint64_t i = 0; i < warm_up + frames; ++i) {
    if (i == warm_up) begin = Deadline::NowNanos();
    if (!lane.writer().ClaimUntil(bytes, Deadline::Infinite())) std::abort();
    lane.writer().Commit(bytes);
  }
  const int64_t end = Deadline::NowNanos();
  lane.writer().Close();
  waitpid(child, nullptr, 0);
  return static_cast<double>(frames) * 1e9 / static_cast<double>(end - begin);
}

void Compare(uint64_t bytes, uint64_t frames) {
  std::vector<std::vector<double>> rates(std::size(kCases));
  std::vector<std::vector<double>> ratios(std::size(kCases));
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < std::size(kCases); ++i) {
      rates[i].push_back(Rate(kCases[i], bytes, frames));
      ratios[i].push_back(rates[i].back() / rates[0].back());
    }
  }
  for (size_t i = 0; i < std::size(kCases); ++i) {
    std::sort(rates[i].begin(), rates[i].end());
    std::sort(ratios[i].begin(), ratios[i].end());
    std::printf("%6" PRIu64 " B  %-30s %8.2f M/s  %5.2f  best %5.2f\n", bytes, kCases[i].name,
                rates[i][kRounds / 2] / 1e6, ratios[i][kRounds / 2], ratios[i].back());
  }
}

}  // namespace
}  // namespace causeway

int main() {
  std::printf("frame     reader                          median rate  ratio to block\n");
  causeway::Compare(64, 10'000'000);
  causeway::Compare(1024, 3'000'000);
  causeway::Compare(32 << 10, 200'000);
}
