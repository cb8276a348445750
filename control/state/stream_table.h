// Streams, by id and by name.

#ifndef CAUSEWAY_CONTROL_STATE_STREAM_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_STREAM_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "control/state/records.pb.h"
#include "control/state/table.h"

namespace causeway {

class StreamTable : public Table<records::Stream> {
 public:
  using Table::Table;

  // The stream of that name, or null.
  const records::Stream* FindByName(std::string_view name) const;

 protected:
  void OnChange(const records::Stream* before, const records::Stream* after) override;

 private:
  absl::flat_hash_map<std::string, uint64_t> by_name_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_STREAM_TABLE_H_
