#include "control/state/reader_table.h"

namespace causeway {

const records::Reader* ReaderTable::FindByKey(uint64_t session_id,
                                              std::string_view idempotency_key) const {
  const auto it = by_key_.find(std::make_pair(session_id, std::string(idempotency_key)));
  return it == by_key_.end() ? nullptr : Find(it->second);
}

void ReaderTable::OnChange(const records::Reader* before, const records::Reader* after) {
  if (before != nullptr) {
    by_stream_.Remove(before->stream_id(), before->reader_id());
    by_session_.Remove(before->session_id(), before->reader_id());
    if (!before->idempotency_key().empty()) {
      by_key_.erase(std::make_pair(before->session_id(), before->idempotency_key()));
    }
  }
  if (after != nullptr) {
    by_stream_.Add(after->stream_id(), after->reader_id());
    by_session_.Add(after->session_id(), after->reader_id());
    if (!after->idempotency_key().empty()) {
      by_key_[std::make_pair(after->session_id(), after->idempotency_key())] = after->reader_id();
    }
  }
}

}  // namespace causeway
