// An index of a table: which rows share a property.

#ifndef CAUSEWAY_CONTROL_STATE_INDEX_H_
#define CAUSEWAY_CONTROL_STATE_INDEX_H_

#include <set>

#include "absl/container/flat_hash_map.h"

namespace causeway {

// Ordered sets of row keys by some property. Empty sets are not kept.
template <typename Property, typename Key>
class Index {
 public:
  void Add(const Property& property, const Key& key) { sets_[property].insert(key); }

  void Remove(const Property& property, const Key& key) {
    const auto it = sets_.find(property);
    if (it == sets_.end()) return;
    it->second.erase(key);
    if (it->second.empty()) sets_.erase(it);
  }

  // The keys, in order. Valid until the index changes.
  const std::set<Key>& Of(const Property& property) const {
    static const std::set<Key>* const empty = new std::set<Key>;
    const auto it = sets_.find(property);
    return it == sets_.end() ? *empty : it->second;
  }

 private:
  absl::flat_hash_map<Property, std::set<Key>> sets_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_INDEX_H_
