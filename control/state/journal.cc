#include "control/state/journal.h"

#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace causeway {

void Journal::UndoTo(const Mark& mark) {
  while (mutations_.size() > mark.mutations) {
    mutations_.back().undo();
    mutations_.pop_back();
  }
  effects_.erase(effects_.begin() + static_cast<std::ptrdiff_t>(mark.effects), effects_.end());
}

std::vector<Write> Journal::Writes() const {
  std::vector<Write> writes;
  absl::flat_hash_map<std::pair<std::string_view, std::string_view>, size_t> place;
  for (const Mutation& mutation : mutations_) {
    if (!mutation.write.has_value()) continue;
    const Write& write = *mutation.write;
    const auto [it, is_new] = place.try_emplace({write.table, write.key}, writes.size());
    if (is_new) {
      writes.push_back(write);
    } else {
      writes[it->second].value = write.value;
    }
  }
  return writes;
}

std::vector<Effect> Journal::Clear() {
  mutations_.clear();
  std::vector<Effect> effects;
  effects.swap(effects_);
  return effects;
}

}  // namespace causeway
