// What a commit costs on the disk under $TMPDIR (or /tmp), by the number of records in a batch, and
// what a bare synced write costs there. Disks change their pace, so compare them in one run:
//   --benchmark_enable_random_interleaving --benchmark_repetitions=9

#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "control/store/record_key.h"
#include "control/store/sqlite_store.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

constexpr size_t kValueBytes = 200;  // such as a lane's record

// A new store in a folder of its own, with `records` records.
class Fixture {
 public:
  explicit Fixture(uint64_t records) {
    std::string pattern = std::filesystem::temp_directory_path() / "causeway-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    Reopen();
    std::vector<Write> writes;
    for (uint64_t id = 0; id < records; ++id) {
      writes.push_back(Write::Put("lane", RecordKey(id), std::string(kValueBytes, 'v')));
    }
    if (!store_->Commit(writes).ok()) abort();
  }

  ~Fixture() {
    store_ = nullptr;
    std::filesystem::remove_all(folder_);
  }

  void Reopen() {
    store_ = nullptr;
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore((folder_ / "state.db").string());
    if (!store.ok()) {
      fprintf(stderr, "%s\n", store.status().ToString().c_str());
      abort();
    }
    store_ = *std::move(store);
  }

  Store& store() { return *store_; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Store> store_;
};

// The limit: overwrites 4 KiB of a file of 4 MiB and syncs.
void BM_WriteAndSync(benchmark::State& state) {
  constexpr size_t kPage = 4096, kFileBytes = 4 << 20;
  std::string path = std::filesystem::temp_directory_path() / "causeway-XXXXXX";
  const UniqueFd file(mkstemp(path.data()));
  const std::string zeros(kFileBytes, '\0');
  if (pwrite(file.get(), zeros.data(), zeros.size(), 0) != kFileBytes) abort();
  size_t offset = 0;
  for (auto _ : state) {
    if (pwrite(file.get(), zeros.data(), kPage, offset) != kPage) abort();
    if (fdatasync(file.get()) != 0) abort();
    offset = (offset + kPage) % kFileBytes;
  }
  unlink(path.c_str());
}
BENCHMARK(BM_WriteAndSync)->UseRealTime()->Unit(benchmark::kMicrosecond);

// Overwrites range(0) records per commit, of 100,000 that there are.
void BM_Commit(benchmark::State& state) {
  constexpr uint64_t kRecords = 100'000;
  constexpr uint64_t kStride = 7919;  // a prime: consecutive writes lie apart
  Fixture fixture(kRecords);
  uint64_t next = 0;
  std::vector<Write> writes(state.range(0));
  for (auto _ : state) {
    for (Write& write : writes) {
      write = Write::Put("lane", RecordKey(next), std::string(kValueBytes, 'w'));
      next = (next + kStride) % kRecords;
    }
    if (!fixture.store().Commit(writes).ok()) abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["commits_per_second"] =
      benchmark::Counter(state.iterations(), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Commit)->Arg(1)->Arg(10)->Arg(100)->UseRealTime()->Unit(benchmark::kMicrosecond);

// Opens, checks and loads a store of range(0) records.
void BM_OpenAndLoad(benchmark::State& state) {
  Fixture fixture(state.range(0));
  for (auto _ : state) {
    fixture.Reopen();
    benchmark::DoNotOptimize(fixture.store().Load());
  }
}
BENCHMARK(BM_OpenAndLoad)->Arg(1'000)->Arg(100'000)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace causeway

BENCHMARK_MAIN();
