#include "control/state/lane_table.h"

namespace causeway {

const records::Lane* LaneTable::FindByKey(uint64_t session_id,
                                          std::string_view idempotency_key) const {
  const auto it = by_key_.find(std::make_pair(session_id, std::string(idempotency_key)));
  return it == by_key_.end() ? nullptr : Find(it->second);
}

void LaneTable::OnChange(const records::Lane* before, const records::Lane* after) {
  if (before != nullptr) {
    by_stream_.Remove(before->stream_id(), before->lane_id());
    by_session_.Remove(before->session_id(), before->lane_id());
    if (!before->idempotency_key().empty()) {
      by_key_.erase(std::make_pair(before->session_id(), before->idempotency_key()));
    }
  }
  if (after != nullptr) {
    if (after->state() != records::Lane::STATE_RETIRED) {
      by_stream_.Add(after->stream_id(), after->lane_id());
    }
    by_session_.Add(after->session_id(), after->lane_id());
    if (!after->idempotency_key().empty()) {
      by_key_[std::make_pair(after->session_id(), after->idempotency_key())] = after->lane_id();
    }
  }
}

}  // namespace causeway
