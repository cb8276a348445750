// Which reader follows which lane.

#ifndef CAUSEWAY_CONTROL_STATE_CURSOR_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_CURSOR_TABLE_H_

#include <cstdint>
#include <set>

#include "control/state/index.h"
#include "control/state/records.pb.h"
#include "control/state/table.h"

namespace causeway {

class CursorTable : public Table<records::Cursor> {
 public:
  using Table::Table;

  const std::set<uint64_t>& LanesOf(uint64_t reader_id) const { return by_reader_.Of(reader_id); }
  const std::set<uint64_t>& ReadersOf(uint64_t lane_id) const { return by_lane_.Of(lane_id); }

 protected:
  void OnChange(const records::Cursor* before, const records::Cursor* after) override;

 private:
  Index<uint64_t, uint64_t> by_reader_;
  Index<uint64_t, uint64_t> by_lane_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_CURSOR_TABLE_H_
