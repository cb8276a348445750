// Rows by key, every change of which is journalled and can be undone.

#ifndef CAUSEWAY_CONTROL_STATE_TABLE_H_
#define CAUSEWAY_CONTROL_STATE_TABLE_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "control/state/journal.h"
#include "control/state/row.h"

namespace causeway {

// One table. A table with indexes derives from it and keeps them in OnChange(), which is called for
// every change whatever its reason (operation, undo, restart): so an index is a function of the
// rows and nothing else, and undoing needs no code of its own.
//
// Not thread-safe, like everything of the state machine.
template <typename Row>
class Table {
 public:
  using Key = typename RowTraits<Row>::Key;

  explicit Table(Journal* journal) : journal_(*journal) {}
  virtual ~Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // The row, or null. Valid until the row is erased; Put() changes it in place.
  const Row* Find(const Key& key) const {
    const auto it = rows_.find(key);
    return it == rows_.end() ? nullptr : &it->second;
  }

  // All rows, by key.
  const std::map<Key, Row>& rows() const { return rows_; }
  size_t size() const { return rows_.size(); }

  // Adds the row, or replaces the one with its key. Journalled.
  void Put(Row row) {
    const Key key = RowTraits<Row>::KeyOf(row);
    Mutation mutation{.undo = UndoOf(key)};
    if (RowTraits<Row>::InStore(row)) {
      mutation.write =
          Write::Put(std::string(RowTraits<Row>::kTable), EncodeKey(key), row.SerializeAsString());
    }
    journal_.Record(std::move(mutation));
    Set(key, std::move(row));
  }

  // Removes the row, if there is one. Journalled.
  void Erase(const Key& key) {
    const Row* row = Find(key);
    if (row == nullptr) return;
    Mutation mutation{.undo = UndoOf(key)};
    if (RowTraits<Row>::InStore(*row)) {
      mutation.write = Write::Delete(std::string(RowTraits<Row>::kTable), EncodeKey(key));
    }
    journal_.Record(std::move(mutation));
    Set(key, std::nullopt);
  }

  // Adds a row that comes from the store. Not journalled.
  void Restore(Row row) {
    const Key key = RowTraits<Row>::KeyOf(row);
    Set(key, std::move(row));
  }

 protected:
  // Brings the indexes up to date: `before` is null for a new row, `after` for one that goes.
  virtual void OnChange(const Row* before, const Row* after) {
    (void)before;
    (void)after;
  }

 private:
  std::function<void()> UndoOf(const Key& key) {
    const Row* row = Find(key);
    return [this, key, old = row == nullptr ? std::nullopt : std::optional<Row>(*row)] {
      Set(key, old);
    };
  }

  void Set(const Key& key, std::optional<Row> row) {
    const auto it = rows_.find(key);
    if (it == rows_.end()) {
      if (!row.has_value()) return;
      OnChange(nullptr, &*row);
      rows_.emplace(key, *std::move(row));
      return;
    }
    OnChange(&it->second, row.has_value() ? &*row : nullptr);
    if (row.has_value()) {
      it->second = *std::move(row);
    } else {
      rows_.erase(it);
    }
  }

  Journal& journal_;
  std::map<Key, Row> rows_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_TABLE_H_
