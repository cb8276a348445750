// What mapping costs, and what it does not cost once it is done. Rates of one machine say little:
// compare the lines of one run.
//
//   bazel run -c opt //mmapcore:mapping_benchmark

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>
#include <vector>

#include "mmapcore/allocate.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/page.h"
#include "mmapcore/protection.h"
#include "mmapcore/sigbus_guard.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

constexpr uint64_t kMiB = 1 << 20;

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << value.status() << "\n";
    exit(1);
  }
  return *std::move(value);
}

void Must(const absl::Status& status) {
  if (!status.ok()) {
    std::cerr << status << "\n";
    exit(1);
  }
}

// A file in memory whose `length` bytes are allocated and populated.
MappedFile MemoryFile(uint64_t length) {
  MappedFile file =
      Must(MappedFile::FromFd(UniqueFd(memfd_create("benchmark", MFD_CLOEXEC)), "benchmark"));
  Must(AllocateExtent(file, 0, length));
  Must(PopulateExtent(file, 0, length));
  return file;
}

MappingOptions Writable(bool guarded, Populate populate) {
  return {.protection = Protection::kReadWrite, .populate = populate, .guarded = guarded};
}

void BM_MapAndUnmap(benchmark::State& state) {
  const bool guarded = state.range(0) != 0;
  Must(SigbusGuard::Install());
  const MappedFile file = MemoryFile(kMiB);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Must(Mapping::MapWhole(file, Writable(guarded, Populate::kNone))));
  }
}
BENCHMARK(BM_MapAndUnmap)->ArgName("guarded")->Arg(0)->Arg(1);

// mmap() and munmap() without any of our rules: the difference is their price.
void BM_MapAndUnmapBare(benchmark::State& state) {
  const MappedFile file = MemoryFile(kMiB);
  for (auto _ : state) {
    void* const at = mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), 0);
    benchmark::DoNotOptimize(at);
    munmap(at, kMiB);
  }
}
BENCHMARK(BM_MapAndUnmapBare);

void BM_RegisterAndUnregister(benchmark::State& state) {
  Must(SigbusGuard::Install());
  for (auto _ : state) {
    benchmark::DoNotOptimize(Must(GuardedRange::Register(reinterpret_cast<void*>(PageSize()),
                                                         PageSize(), 0, Protection::kRead)));
  }
}
BENCHMARK(BM_RegisterAndUnregister);

void BM_DamageCheck(benchmark::State& state) {
  Must(SigbusGuard::Install());
  const MappedFile file = MemoryFile(kMiB);
  const Mapping mapping = Must(Mapping::MapWhole(file, {.guarded = state.range(0) != 0}));
  for (auto _ : state) benchmark::DoNotOptimize(mapping.damaged());
}
BENCHMARK(BM_DamageCheck)->ArgName("guarded")->Arg(0)->Arg(1);

// From the fault to the next instruction, with as many other ranges registered.
void BM_Repair(benchmark::State& state) {
  Must(SigbusGuard::Install());
  std::vector<GuardedRange> others;
  for (int64_t i = 0; i < state.range(0); ++i) {
    others.push_back(Must(
        GuardedRange::Register(reinterpret_cast<void*>((static_cast<uint64_t>(i) + 1) * PageSize()),
                               PageSize(), 0, Protection::kRead)));
  }
  MappedFile file = MemoryFile(PageSize());
  for (auto _ : state) {
    state.PauseTiming();
    Must(file.Resize(PageSize()));
    Mapping mapping = Must(Mapping::MapWhole(file, {.guarded = true}));
    Must(file.Resize(0));
    state.ResumeTiming();
    benchmark::DoNotOptimize(*const_cast<const volatile std::byte*>(mapping.data()));
    state.PauseTiming();
    if (!mapping.damaged()) state.SkipWithError("no fault");
    Must(mapping.Unmap());
    state.ResumeTiming();
  }
}
BENCHMARK(BM_Repair)->ArgName("others")->Arg(0)->Arg(1000)->Arg(60000);

// First stores to a range, page by page: as the kernel gives pages one fault at a time, or after
// all were populated at once. The time to populate is counted.
void BM_FirstStores(benchmark::State& state) {
  const Populate populate = state.range(0) != 0 ? Populate::kForWriting : Populate::kNone;
  const uint64_t length = 64 * kMiB;
  const MappedFile file = MemoryFile(length);
  for (auto _ : state) {
    Mapping mapping = Must(Mapping::MapWhole(file, Writable(false, populate)));
    for (uint64_t at = 0; at < length; at += PageSize()) {
      *const_cast<volatile std::byte*>(mapping.mutable_data() + at) = std::byte{1};
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(length));
}
BENCHMARK(BM_FirstStores)->ArgName("populate")->Arg(0)->Arg(1)->UseRealTime();

void BM_AllocateAndPopulate(benchmark::State& state) {
  const uint64_t length = 64 * kMiB;
  for (auto _ : state) benchmark::DoNotOptimize(MemoryFile(length).fd());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(length));
}
BENCHMARK(BM_AllocateAndPopulate)->UseRealTime();

// memcpy() into a populated mapping, and into plain memory that has been touched: the same.
void BM_CopyIntoMapping(benchmark::State& state) {
  const uint64_t length = static_cast<uint64_t>(state.range(0));
  const MappedFile file = MemoryFile(length);
  Mapping mapping = Must(Mapping::MapWhole(file, Writable(false, Populate::kForWriting)));
  const std::vector<char> source(length, 'x');
  for (auto _ : state) {
    memcpy(mapping.mutable_data(), source.data(), length);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_CopyIntoMapping)->RangeMultiplier(16)->Range(4096, 64 << 20);

void BM_CopyIntoPlainMemory(benchmark::State& state) {
  const uint64_t length = static_cast<uint64_t>(state.range(0));
  std::vector<char> target(length, 'y');
  const std::vector<char> source(length, 'x');
  for (auto _ : state) {
    memcpy(target.data(), source.data(), length);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_CopyIntoPlainMemory)->RangeMultiplier(16)->Range(4096, 64 << 20);

}  // namespace
}  // namespace causeway

BENCHMARK_MAIN();
