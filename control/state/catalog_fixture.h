// For tests: a catalog with a store under it, driven as the state thread drives it, but one
// operation at a time and with every promise checked after each.

#ifndef CAUSEWAY_CONTROL_STATE_CATALOG_FIXTURE_H_
#define CAUSEWAY_CONTROL_STATE_CATALOG_FIXTURE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "control/state/catalog.h"
#include "control/state/effect.h"
#include "control/state/limits.h"
#include "control/store/store.h"
#include "gtest/gtest.h"

namespace causeway {

inline constexpr uint64_t kTestPage = 4096;

// Small streams: segments of 2 pages, capacity of 8, so that limits are near.
Limits SmallLimits();

class CatalogFixture {
 public:
  explicit CatalogFixture(const Limits& limits = SmallLimits());

  Catalog& catalog() { return *catalog_; }
  const Books& books() const { return catalog_->books(); }

  // Runs an operation and stores what it changed. An operation that fails must have changed
  // nothing. Adds a test failure if an invariant is broken.
  template <typename Operation>
  auto Do(Operation operation) {
    const std::string before = catalog_->Dump();
    auto result = operation(*catalog_);
    Settle(result.ok(), before);
    return result;
  }

  // Do() for operations that must succeed.
  template <typename Operation>
  auto Must(Operation operation) {
    auto result = Do(std::move(operation));
    EXPECT_TRUE(result.ok()) << StatusOf(result);
    return result;
  }

  // The agent's life.
  uint64_t Attach(const std::string& name);
  absl::Status TryAttach(const std::string& name);
  absl::Status Resume(uint64_t session_id);
  void LoseConnection(uint64_t session_id);
  void Exit(uint64_t session_id);
  void Die(uint64_t session_id);  // Both halves.
  absl::Status Evict(uint64_t session_id);
  absl::Status Detach(uint64_t session_id);

  // Open in one step, with the I/O done at once; a stream of default options is created. 0: failed.
  uint64_t AddWriter(uint64_t session_id, const std::string& stream = "s");
  uint64_t AddReader(uint64_t session_id, const std::string& stream = "s");
  absl::StatusOr<records::Extent> Grow(uint64_t session_id, uint64_t lane_id, uint64_t length = 0);

  uint64_t Bring(uint64_t session_id, uint64_t size_bytes,
                 v1::Protection protection = v1::PROTECTION_READ_WRITE);
  // A split with files of its own.
  absl::StatusOr<records::Split> AddSplit(uint64_t session_id, const std::string& name,
                                          uint64_t length, uint64_t extent_bytes);

  // What was told since the last call.
  std::vector<Effect> TakeEffects();
  // The events among them for one session, as text like "reader_joined { lane_id: 3 … }".
  std::vector<std::string> EventsTo(uint64_t session_id, const std::vector<Effect>& effects);

  // A new coordinator on the same store: the state must be the same, but for splits. Begins its
  // epoch.
  EpochStart Restart();

  // What the store holds, as Load() gives it.
  std::vector<Record> Stored() const;

  int64_t now() const { return now_; }
  uint64_t ConnectionOf(uint64_t session_id) const;
  static std::string TokenOf(const std::string& name);

 private:
  template <typename T>
  static absl::Status StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }
  static absl::Status StatusOf(const absl::Status& status) { return status; }

  AttachRequest RequestOf(const std::string& name);
  void Settle(bool ok, const std::string& before);

  const Limits limits_;
  std::unique_ptr<Catalog> catalog_;
  std::map<std::pair<std::string, std::string>, std::string> stored_;
  std::vector<Effect> effects_;
  int64_t now_ = 1'700'000'000'000;
  uint64_t connections_ = 0;
};

// What the store holds in the middle of a coordinator's life: writers, readers, an evicted agent.
std::vector<Record> BusyRecords();

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_CATALOG_FIXTURE_H_
