#include "control/state/session_table.h"

namespace causeway {

const records::Session* SessionTable::FindByToken(std::string_view token_sha256) const {
  const auto it = by_token_.find(std::string(token_sha256));
  return it == by_token_.end() ? nullptr : Find(it->second);
}

void SessionTable::OnChange(const records::Session* before, const records::Session* after) {
  if (before != nullptr) by_token_.erase(before->token_sha256());
  if (after != nullptr) by_token_[after->token_sha256()] = after->session_id();
}

}  // namespace causeway
