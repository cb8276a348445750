// Lanes, by stream, by writer and by the idempotency key they were opened with.

#ifndef CAUSEWAY_CONTROL_STATE_LANE_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_LANE_TABLE_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "control/state/index.h"
#include "control/state/records.pb.h"
#include "control/state/table.h"

namespace causeway {

class LaneTable : public Table<records::Lane> {
 public:
  using Table::Table;

  // Without retired ones: the stream has no more to do with them.
  const std::set<uint64_t>& OfStream(uint64_t stream_id) const { return by_stream_.Of(stream_id); }
  // In all states.
  const std::set<uint64_t>& OfSession(uint64_t session_id) const {
    return by_session_.Of(session_id);
  }
  // The lane that the session opened with this key, or null; null for the empty key.
  const records::Lane* FindByKey(uint64_t session_id, std::string_view idempotency_key) const;

 protected:
  void OnChange(const records::Lane* before, const records::Lane* after) override;

 private:
  Index<uint64_t, uint64_t> by_stream_;
  Index<uint64_t, uint64_t> by_session_;
  absl::flat_hash_map<std::pair<uint64_t, std::string>, uint64_t> by_key_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_LANE_TABLE_H_
