#include "control/state/split_lifecycle.h"

#include <set>
#include <utility>
#include <vector>

#include "control/state/effect.h"
#include "control/state/lifecycle.h"

namespace causeway {
namespace {

void ForgetFile(Books* books, uint64_t file_id) {
  EraseFile(books, file_id);
  books->journal.Add(ForgetBroughtFile{.file_id = file_id});
}

// Keys of a pair-keyed table whose first half is `first`.
template <typename Table>
std::vector<PairKey> KeysOf(const Table& table, uint64_t first) {
  std::vector<PairKey> keys;
  for (auto it = table.rows().lower_bound({first, 0});
       it != table.rows().end() && it->first.first == first; ++it) {
    keys.push_back(it->first);
  }
  return keys;
}

}  // namespace

void AddSplitChanged(Books* books, const records::Split& split) {
  books->journal.Add(SplitChanged{.split_id = split.split_id(), .name = split.name()});
}

void EraseExtentPair(Books* books, const records::SplitExtent& taken) {
  books->extents.Erase(taken.source_extent_id());
  books->extents.Erase(taken.target_extent_id());
}

void ReleaseSplitExtents(Books* books, uint64_t session_id) {
  const std::vector<PairKey> taken(books->split_extents.TakenBy(session_id).begin(),
                                   books->split_extents.TakenBy(session_id).end());
  std::set<uint64_t> splits;
  for (const PairKey& key : taken) {
    const records::SplitExtent& held = *books->split_extents.Find(key);
    EraseExtentPair(books, held);
    records::SplitExtent pending;
    pending.set_split_id(held.split_id());
    pending.set_index(held.index());
    pending.set_state(records::SplitExtent::STATE_PENDING);
    books->split_extents.Put(std::move(pending));
    splits.insert(key.first);
  }
  for (const uint64_t split_id : splits) {
    AddSplitChanged(books, *books->splits.Find(split_id));
    EraseSplitIfIdle(books, split_id);
  }
}

void CloseSplit(Books* books, uint64_t split_id) {
  records::Split closed = *books->splits.Find(split_id);
  closed.set_closed(true);
  AddSplitChanged(books, closed);
  books->splits.Put(std::move(closed));
  EraseSplitIfIdle(books, split_id);
}

void CloseSplitsOf(Books* books, uint64_t session_id) {
  const std::vector<uint64_t> owned(books->splits.OfSession(session_id).begin(),
                                    books->splits.OfSession(session_id).end());
  for (const uint64_t split_id : owned) {
    if (!books->splits.Find(split_id)->closed()) CloseSplit(books, split_id);
  }
  const std::vector<uint64_t> brought(books->files.BroughtBy(session_id).begin(),
                                      books->files.BroughtBy(session_id).end());
  for (const uint64_t file_id : brought) {
    if (books->splits.OfFile(file_id).empty()) ForgetFile(books, file_id);
  }
}

void EraseSplitIfIdle(Books* books, uint64_t split_id) {
  const records::Split split = *books->splits.Find(split_id);
  if (!split.closed() || !books->extents.OfOwner(split_id).empty()) return;
  for (const PairKey& key : KeysOf(books->split_extents, split_id)) {
    books->split_extents.Erase(key);
  }
  for (const PairKey& key : KeysOf(books->split_workers, split_id)) {
    books->split_workers.Erase(key);
  }
  books->splits.Erase(split_id);
  ForgetFile(books, split.source_file_id());
  ForgetFile(books, split.target_file_id());
}

}  // namespace causeway
