// The same worlds as simulation_test, with the state where a coordinator has it: in SQLite. Each
// death of a coordinator is a power cut: of what was not synced, the disk has any selection of
// sectors. Some syncs fail, some power cuts come in the middle of a commit or of a recovery. Every
// law still holds: what was acknowledged is there, no id and no range is given twice, and the state
// opens without repair.
//
// A failure names its seed; CAUSEWAY_SEED=<seed> begins there.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "absl/status/statusor.h"
#include "control/simulation/simulation.h"
#include "control/simulation/state_disk.h"
#include "control/store/fault_vfs.h"
#include "control/store/sqlite_store.h"
#include "control/store/store.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"
#include "spdlog/spdlog.h"

namespace causeway::simulation {
namespace {

using ::causeway::testing::FaultVfs;
using ::causeway::testing::ScratchDirectory;

constexpr uint64_t kSeeds = 150;

class SqliteStateDisk : public StateDisk {
 public:
  explicit SqliteStateDisk(uint64_t seed) : vfs_(FaultVfs::Install()), random_(seed) {
    // The file is made by other means than SQLite's: here, before there are faults.
    vfs_.Reset(random_());
    EXPECT_TRUE(OpenSqliteStore(Path()).ok());
    vfs_.Reset(random_());
  }

  absl::StatusOr<std::unique_ptr<Store>> Open() override {
    vfs_.Reset(random_());
    fault_at_ = INT64_MAX;
    if (random_() % 3 == 0) {
      fault_at_ = 1 + static_cast<int64_t>(random_() % 600);
      vfs_.CutPower(fault_at_);
    } else if (random_() % 4 == 0) {
      fault_at_ = 1;
      vfs_.FailNextSync();
    }
    return OpenSqliteStore(Path());
  }

  void CutPower() override { vfs_.CutPower(vfs_.calls() + 1); }
  void Restore() override { vfs_.RestoreFromDisks(); }
  bool has_failed() const override { return vfs_.calls() >= fault_at_; }

 private:
  std::string Path() const { return directory_.File("state.db"); }

  const ScratchDirectory directory_;
  FaultVfs& vfs_;
  std::mt19937_64 random_;
  int64_t fault_at_ = INT64_MAX;
};

uint64_t FirstSeed() {
  const char* const seed = std::getenv("CAUSEWAY_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device()();
}

TEST(PowerLoss, TakesNothingThatWasAcknowledged) {
  spdlog::set_level(spdlog::level::off);
  const uint64_t first = FirstSeed();
  uint64_t restarts = 0;
  for (uint64_t seed = first; seed < first + kSeeds; ++seed) {
    SqliteStateDisk disk(seed);
    const SimulationResult result = Simulate({.seed = seed, .state_disk = &disk});
    ASSERT_EQ(result.verdict, "") << "seed " << seed;
    restarts += result.restarts;
  }
  EXPECT_GT(restarts, kSeeds);
}

TEST(PowerLoss, WouldBeSeenToTakeHalfABatch) {
  spdlog::set_level(spdlog::level::off);
  const uint64_t first = FirstSeed();
  for (uint64_t seed = first; seed < first + kSeeds; ++seed) {
    SqliteStateDisk disk(seed);
    const SimulationResult result =
        Simulate({.seed = seed, .bug = PlantedBug::kHalfABatch, .state_disk = &disk});
    if (!result.verdict.empty()) return;
  }
  FAIL() << "half a batch was not noticed from seed " << first << " on";
}

}  // namespace
}  // namespace causeway::simulation
