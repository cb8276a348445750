// Extents of splits that were taken at least once, and the workers that took them.

#ifndef CAUSEWAY_CONTROL_STATE_SPLIT_EXTENT_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_SPLIT_EXTENT_TABLE_H_

#include <cstdint>
#include <set>

#include "control/state/index.h"
#include "control/state/records.pb.h"
#include "control/state/row.h"
#include "control/state/table.h"

namespace causeway {

class SplitExtentTable : public Table<records::SplitExtent> {
 public:
  using Table::Table;

  // Indexes of extents that came back.
  const std::set<uint64_t>& PendingOf(uint64_t split_id) const { return pending_.Of(split_id); }
  // What a session holds, of all splits.
  const std::set<PairKey>& TakenBy(uint64_t session_id) const { return taken_.Of(session_id); }

 protected:
  void OnChange(const records::SplitExtent* before, const records::SplitExtent* after) override;

 private:
  Index<uint64_t, uint64_t> pending_;
  Index<uint64_t, PairKey> taken_;
};

class SplitWorkerTable : public Table<records::SplitWorker> {
 public:
  using Table::Table;

  // Splits that a session took extents of.
  const std::set<uint64_t>& SplitsOf(uint64_t session_id) const {
    return by_session_.Of(session_id);
  }
  const std::set<uint64_t>& WorkersOf(uint64_t split_id) const { return by_split_.Of(split_id); }

 protected:
  void OnChange(const records::SplitWorker* before, const records::SplitWorker* after) override;

 private:
  Index<uint64_t, uint64_t> by_session_;
  Index<uint64_t, uint64_t> by_split_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_SPLIT_EXTENT_TABLE_H_
