// The allocator against a bitmap of pages, on random calls. To replay a failure, set CAUSEWAY_SEED
// to the seed that it printed: bazel test --test_env=CAUSEWAY_SEED=... <this test>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control/extents/extent_allocator.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

constexpr uint64_t kPage = 4096;

// Everything in pages, by exhaustive search.
class Bitmap {
 public:
  explicit Bitmap(uint64_t capacity) : used_(capacity) {}

  std::optional<uint64_t> Allocate(uint64_t length, uint64_t alignment) {
    std::optional<uint64_t> best;
    uint64_t best_range = UINT64_MAX;
    for (const auto& [start, range] : FreeRanges()) {
      const uint64_t offset = (start + alignment - 1) / alignment * alignment;
      if (offset + length > start + range || range >= best_range) continue;
      best = offset;
      best_range = range;
    }
    if (best.has_value()) Set(*best, length);
    return best;
  }

  bool Reserve(uint64_t offset, uint64_t length) {
    if (length == 0 || offset + length > used_.size()) return false;
    for (uint64_t i = offset; i < offset + length; ++i) {
      if (used_[i]) return false;
    }
    Set(offset, length);
    return true;
  }

  bool Free(uint64_t offset, uint64_t length) {
    const auto extent = live_.find(offset);
    if (extent == live_.end() || extent->second != length) return false;
    live_.erase(extent);
    std::fill_n(used_.begin() + offset, length, false);
    return true;
  }

  void Grow(uint64_t capacity) { used_.resize(capacity); }

  uint64_t capacity() const { return used_.size(); }
  const std::map<uint64_t, uint64_t>& live() const { return live_; }

  std::map<uint64_t, uint64_t> FreeRanges() const {
    std::map<uint64_t, uint64_t> ranges;
    for (uint64_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      const uint64_t start = i;
      while (i < used_.size() && !used_[i]) ++i;
      ranges[start] = i - start;
    }
    return ranges;
  }

 private:
  void Set(uint64_t offset, uint64_t length) {
    live_[offset] = length;
    std::fill_n(used_.begin() + offset, length, true);
  }

  std::vector<bool> used_;
  std::map<uint64_t, uint64_t> live_;
};

void ExpectSame(const ExtentAllocator& allocator, const Bitmap& bitmap) {
  const ExtentStats stats = allocator.Stats();
  uint64_t free_bytes = 0, largest = 0, end = 0;
  const std::map<uint64_t, uint64_t> ranges = bitmap.FreeRanges();
  for (const auto& [offset, length] : ranges) {
    free_bytes += length * kPage;
    largest = std::max(largest, length * kPage);
  }
  for (const auto& [offset, length] : bitmap.live()) end = (offset + length) * kPage;
  ASSERT_EQ(stats.capacity, bitmap.capacity() * kPage);
  ASSERT_EQ(stats.free_bytes, free_bytes);
  ASSERT_EQ(stats.live_bytes, stats.capacity - free_bytes);
  ASSERT_EQ(stats.largest_free, largest);
  ASSERT_EQ(stats.free_ranges, ranges.size());
  ASSERT_EQ(stats.live_extents, bitmap.live().size());
  ASSERT_EQ(stats.high_water_end, end);
}

void RunAgainstModel(uint64_t seed) {
  SCOPED_TRACE("CAUSEWAY_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&random](uint64_t n) { return random() % n; };
  Bitmap bitmap(1 + below(200));
  ExtentAllocator allocator = *ExtentAllocator::Create(bitmap.capacity() * kPage, kPage);
  const uint64_t longest = 1 + below(20);

  for (int step = 0; step < 400; ++step) {
    SCOPED_TRACE(step);
    const uint64_t length = 1 + below(longest);
    const uint64_t offset = below(bitmap.capacity() + 2);
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        const uint64_t alignment = below(4) == 0 ? uint64_t{1} << below(5) : 1;
        const std::optional<uint64_t> want = bitmap.Allocate(length, alignment);
        const absl::StatusOr<uint64_t> got = allocator.Allocate(length * kPage, alignment * kPage);
        ASSERT_EQ(got.ok(), want.has_value()) << got.status();
        ASSERT_EQ(got.value_or(0), want.value_or(0) * kPage);
        break;
      }
      case 3:
        ASSERT_EQ(allocator.Reserve(offset * kPage, length * kPage).ok(),
                  bitmap.Reserve(offset, length));
        break;
      case 4:  // in general nonsense
        ASSERT_EQ(allocator.Free(offset * kPage, length * kPage).ok(), bitmap.Free(offset, length));
        break;
      case 5:
      case 6: {
        if (bitmap.live().empty()) break;
        const auto extent = *std::next(bitmap.live().begin(), below(bitmap.live().size()));
        ASSERT_TRUE(allocator.Free(extent.first * kPage, extent.second * kPage).ok());
        ASSERT_TRUE(bitmap.Free(extent.first, extent.second));
        break;
      }
      case 7:
        if (below(20) != 0) break;
        bitmap.Grow(bitmap.capacity() + below(10));
        ASSERT_TRUE(allocator.Grow(bitmap.capacity() * kPage).ok());
        break;
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSame(allocator, bitmap));
  }
}

TEST(ExtentAllocatorModel, AgreesWithABitmapOnEveryStep) {
  if (const char* seed = std::getenv("CAUSEWAY_SEED"); seed != nullptr) {
    RunAgainstModel(std::strtoull(seed, nullptr, 10));
    return;
  }
  std::random_device device;
  for (int run = 0; run < 300 && !testing::Test::HasFailure(); ++run) {
    RunAgainstModel(uint64_t{device()} << 32 | device());
  }
}

}  // namespace
}  // namespace causeway
