// Sessions, by id and by token.

#ifndef CAUSEWAY_CONTROL_STATE_SESSION_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_SESSION_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "control/state/records.pb.h"
#include "control/state/table.h"

namespace causeway {

class SessionTable : public Table<records::Session> {
 public:
  using Table::Table;

  // The session whose token has this SHA-256, or null. What is compared here is a hash of a secret,
  // so the time that it takes tells nothing about the secret.
  const records::Session* FindByToken(std::string_view token_sha256) const;

 protected:
  void OnChange(const records::Session* before, const records::Session* after) override;

 private:
  absl::flat_hash_map<std::string, uint64_t> by_token_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_SESSION_TABLE_H_
