#include "control/state/split_table.h"

namespace causeway {

const records::Split* SplitTable::FindByName(std::string_view name) const {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : Find(it->second);
}

void SplitTable::OnChange(const records::Split* before, const records::Split* after) {
  if (before != nullptr) {
    if (!before->closed()) by_name_.erase(before->name());
    by_session_.Remove(before->session_id(), before->split_id());
    by_file_.Remove(before->source_file_id(), before->split_id());
    by_file_.Remove(before->target_file_id(), before->split_id());
  }
  if (after != nullptr) {
    if (!after->closed()) by_name_[after->name()] = after->split_id();
    by_session_.Add(after->session_id(), after->split_id());
    by_file_.Add(after->source_file_id(), after->split_id());
    by_file_.Add(after->target_file_id(), after->split_id());
  }
}

}  // namespace causeway
