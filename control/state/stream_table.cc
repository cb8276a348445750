#include "control/state/stream_table.h"

namespace causeway {

const records::Stream* StreamTable::FindByName(std::string_view name) const {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : Find(it->second);
}

void StreamTable::OnChange(const records::Stream* before, const records::Stream* after) {
  if (before != nullptr) by_name_.erase(before->name());
  if (after != nullptr) by_name_[after->name()] = after->stream_id();
}

}  // namespace causeway
