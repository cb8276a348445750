#include "control/store/store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace causeway {
namespace {

absl::Status CheckSize(size_t index, absl::string_view part, size_t bytes, size_t min, size_t max) {
  if (bytes >= min && bytes <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("write ", index, ": the ", part, " has ", bytes,
                                                 " bytes; allowed are ", min, " to ", max));
}

bool IsTableName(absl::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
  });
}

}  // namespace

Write Write::Put(std::string table, std::string key, std::string value) {
  return Write{std::move(table), std::move(key), std::move(value)};
}

Write Write::Delete(std::string table, std::string key) {
  return Write{std::move(table), std::move(key), std::nullopt};
}

absl::Status CheckLimits(absl::Span<const Write> writes) {
  for (size_t i = 0; i < writes.size(); ++i) {
    const Write& write = writes[i];
    absl::Status status = CheckSize(i, "table name", write.table.size(), 1, kMaxTableNameBytes);
    status.Update(CheckSize(i, "key", write.key.size(), 1, kMaxKeyBytes));
    if (write.value.has_value()) {
      status.Update(CheckSize(i, "value", write.value->size(), 0, kMaxValueBytes));
    }
    if (status.ok() && !IsTableName(write.table)) {
      status = absl::InvalidArgumentError(
          absl::StrCat("write ", i, ": the table name \"", absl::CHexEscape(write.table),
                       "\" has other characters than a-z, 0-9 and _"));
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace causeway
