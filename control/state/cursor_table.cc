#include "control/state/cursor_table.h"

namespace causeway {

void CursorTable::OnChange(const records::Cursor* before, const records::Cursor* after) {
  if (before != nullptr) {
    by_reader_.Remove(before->reader_id(), before->lane_id());
    by_lane_.Remove(before->lane_id(), before->reader_id());
  }
  if (after != nullptr) {
    by_reader_.Add(after->reader_id(), after->lane_id());
    by_lane_.Add(after->lane_id(), after->reader_id());
  }
}

}  // namespace causeway
