// How the state machine behaves with very many extents. By hand:
//   bazel run -c opt //control/state:catalog_benchmark
//
// Every operation should cost about the same with ten extents and with a hundred thousand, but for
// a restart, which reads them all.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "control/state/catalog.h"

namespace causeway {
namespace {

constexpr uint64_t kPage = 4096;

// A catalog with one lane of `segments` segments.
struct BigLane {
  explicit BigLane(int64_t segments) {
    limits.default_segment_bytes = 2 * kPage;
    limits.default_capacity_bytes = uint64_t{8} << 30;
    limits.max_capacity_bytes_per_lane = uint64_t{16} << 30;
    limits.max_writable_bytes_per_agent = uint64_t{16} << 30;
    catalog = *Catalog::FromRecords({}, limits);
    catalog->BeginEpoch();
    AttachRequest attach{
        .connection_id = 1, .agent_name = "a", .token_sha256 = std::string(32, 't')};
    attach.incarnation.set_nonce(std::string(16, 'n'));
    session_id = catalog->sessions().Attach(attach)->session_id;
    const auto reserved = catalog->writers().Reserve(
        OpenWriter{.session_id = session_id, .stream = "s", .create_options = v1::StreamOptions()});
    lane_id = reserved->grant.lane.lane_id();
    (void)catalog->writers().Confirm(lane_id, 0);
    for (int64_t i = 2; i < segments; ++i) Grow();
    catalog->journal().Clear();
  }

  uint64_t Grow() {
    const auto reserved = catalog->writers().ReserveSegment(
        GrantSegment{.session_id = session_id, .lane_id = lane_id});
    (void)catalog->writers().ConfirmSegment(reserved->extent.extent_id(), 0);
    return reserved->extent.offset();
  }

  void Return(uint64_t offset) {
    const auto returned = catalog->writers().BeginReturn(session_id, lane_id, offset);
    (void)catalog->writers().FinishReturn(returned->extent.extent_id());
  }

  Limits limits;
  std::unique_ptr<Catalog> catalog;
  uint64_t session_id = 0;
  uint64_t lane_id = 0;
};

// Reserve, confirm, begin and finish the return of a segment, with the batch to store.
void BM_GrantAndReturnSegment(benchmark::State& state) {
  BigLane lane(state.range(0));
  for (auto _ : state) {
    lane.Return(lane.Grow());
    benchmark::DoNotOptimize(lane.catalog->journal().Writes());
    lane.catalog->journal().Clear();
  }
}
BENCHMARK(BM_GrantAndReturnSegment)->Arg(10)->Arg(1000)->Arg(100000);

void BM_GrantSegmentAndUndo(benchmark::State& state) {
  BigLane lane(state.range(0));
  for (auto _ : state) {
    lane.Grow();
    lane.catalog->journal().UndoAll();
  }
}
BENCHMARK(BM_GrantSegmentAndUndo)->Arg(10)->Arg(100000);

void BM_EndSession(benchmark::State& state) {
  BigLane lane(state.range(0));
  for (auto _ : state) {
    (void)lane.catalog->sessions().Detach(lane.session_id);
    lane.catalog->journal().UndoAll();
  }
}
BENCHMARK(BM_EndSession)->Arg(10)->Arg(100000)->Unit(benchmark::kMillisecond);

void BM_Restart(benchmark::State& state) {
  BigLane lane(state.range(0));
  const std::vector<Record> records = lane.catalog->Records();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Catalog::FromRecords(records, lane.limits));
  }
}
BENCHMARK(BM_Restart)->Arg(10)->Arg(100000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace causeway

BENCHMARK_MAIN();
