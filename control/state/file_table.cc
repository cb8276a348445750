#include "control/state/file_table.h"

namespace causeway {

void FileTable::OnChange(const records::File* before, const records::File* after) {
  if (before != nullptr) {
    brought_by_session_.Remove(before->session_id(), before->file_id());
    retired_by_session_.Remove(before->session_id(), before->file_id());
  }
  if (after == nullptr) return;
  if (after->kind() == records::File::KIND_BROUGHT) {
    brought_by_session_.Add(after->session_id(), after->file_id());
  }
  if (after->state() == records::File::STATE_RETIRED) {
    retired_by_session_.Add(after->session_id(), after->file_id());
  }
}

}  // namespace causeway
