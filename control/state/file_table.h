// Mapped files, by id and by the session that may write them.

#ifndef CAUSEWAY_CONTROL_STATE_FILE_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_FILE_TABLE_H_

#include <cstdint>
#include <set>

#include "control/state/index.h"
#include "control/state/records.pb.h"
#include "control/state/table.h"

namespace causeway {

class FileTable : public Table<records::File> {
 public:
  using Table::Table;

  // Files that users brought, of one session.
  const std::set<uint64_t>& BroughtBy(uint64_t session_id) const {
    return brought_by_session_.Of(session_id);
  }
  // The coordinator's files whose holder's death is awaited.
  const std::set<uint64_t>& RetiredOf(uint64_t session_id) const {
    return retired_by_session_.Of(session_id);
  }

 protected:
  void OnChange(const records::File* before, const records::File* after) override;

 private:
  Index<uint64_t, uint64_t> brought_by_session_;
  Index<uint64_t, uint64_t> retired_by_session_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_FILE_TABLE_H_
