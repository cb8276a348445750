// Splits, by id, by name and by owner.

#ifndef CAUSEWAY_CONTROL_STATE_SPLIT_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_SPLIT_TABLE_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "control/state/index.h"
#include "control/state/records.pb.h"
#include "control/state/table.h"

namespace causeway {

class SplitTable : public Table<records::Split> {
 public:
  using Table::Table;

  // The split of that name that is not closed, or null.
  const records::Split* FindByName(std::string_view name) const;
  // Closed ones included, while workers hold extents of them.
  const std::set<uint64_t>& OfSession(uint64_t session_id) const {
    return by_session_.Of(session_id);
  }
  // Splits, closed ones included, whose source or target the file is.
  const std::set<uint64_t>& OfFile(uint64_t file_id) const { return by_file_.Of(file_id); }

 protected:
  void OnChange(const records::Split* before, const records::Split* after) override;

 private:
  absl::flat_hash_map<std::string, uint64_t> by_name_;
  Index<uint64_t, uint64_t> by_session_;
  Index<uint64_t, uint64_t> by_file_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_SPLIT_TABLE_H_
