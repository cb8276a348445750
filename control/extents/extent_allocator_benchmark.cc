// What an allocation costs with up to a million live extents.

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "benchmark/benchmark.h"
#include "control/extents/extent_allocator.h"

namespace causeway {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kSeed = 1;

struct LiveExtent {
  uint64_t offset;
  uint64_t length;
};

// An allocator with `count` live extents of 1 to `longest` pages, between which every third was
// freed again: as fragmented as it gets.
struct Fragmented {
  Fragmented(uint64_t count, uint64_t longest)
      : random(kSeed), allocator(*ExtentAllocator::Create(count * longest * 4 * kPage, kPage)) {
    for (uint64_t i = 0; i < count * 3 / 2; ++i) {
      const uint64_t length = (1 + random() % longest) * kPage;
      live.push_back({*allocator.Allocate(length), length});
    }
    std::shuffle(live.begin(), live.end(), random);
    while (live.size() > count) {
      allocator.Free(live.back().offset, live.back().length).IgnoreError();
      live.pop_back();
    }
  }

  std::mt19937_64 random;
  ExtentAllocator allocator;
  std::vector<LiveExtent> live;
};

// Frees a random extent and allocates one of a random length: range(0) extents of 1 to range(1)
// pages are live.
void BM_FreeAndAllocate(benchmark::State& state) {
  Fragmented fragmented(state.range(0), state.range(1));
  for (auto _ : state) {
    LiveExtent& extent = fragmented.live[fragmented.random() % fragmented.live.size()];
    fragmented.allocator.Free(extent.offset, extent.length).IgnoreError();
    extent.length = (1 + fragmented.random() % state.range(1)) * kPage;
    extent.offset = *fragmented.allocator.Allocate(extent.length);
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["free_ranges"] = fragmented.allocator.Stats().free_ranges;
}
BENCHMARK(BM_FreeAndAllocate)->ArgsProduct({{1'000, 1'000'000}, {1, 64}});

// Rebuilds the books of range(0) extents, in random order.
void BM_Rebuild(benchmark::State& state) {
  const Fragmented fragmented(state.range(0), 64);
  for (auto _ : state) {
    ExtentAllocator allocator =
        *ExtentAllocator::Create(fragmented.allocator.Stats().capacity, kPage);
    for (const LiveExtent& extent : fragmented.live) {
      allocator.Reserve(extent.offset, extent.length).IgnoreError();
    }
    benchmark::DoNotOptimize(allocator.Stats());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Rebuild)->Arg(1'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace causeway

BENCHMARK_MAIN();
