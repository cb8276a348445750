#include "control/state/split_extent_table.h"

namespace causeway {

void SplitExtentTable::OnChange(const records::SplitExtent* before,
                                const records::SplitExtent* after) {
  if (before != nullptr) {
    pending_.Remove(before->split_id(), before->index());
    taken_.Remove(before->session_id(), RowTraits<records::SplitExtent>::KeyOf(*before));
  }
  if (after == nullptr) return;
  if (after->state() == records::SplitExtent::STATE_PENDING) {
    pending_.Add(after->split_id(), after->index());
  } else if (after->state() == records::SplitExtent::STATE_TAKEN) {
    taken_.Add(after->session_id(), RowTraits<records::SplitExtent>::KeyOf(*after));
  }
}

void SplitWorkerTable::OnChange(const records::SplitWorker* before,
                                const records::SplitWorker* after) {
  if (before != nullptr) {
    by_session_.Remove(before->session_id(), before->split_id());
    by_split_.Remove(before->split_id(), before->session_id());
  }
  if (after != nullptr) {
    by_session_.Add(after->session_id(), after->split_id());
    by_split_.Add(after->split_id(), after->session_id());
  }
}

}  // namespace causeway
