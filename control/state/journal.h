// Remembers what operations changed, so that it can be stored, announced, or undone.

#ifndef CAUSEWAY_CONTROL_STATE_JOURNAL_H_
#define CAUSEWAY_CONTROL_STATE_JOURNAL_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "control/state/effect.h"
#include "control/store/store.h"

namespace causeway {

// One changed row.
struct Mutation {
  // What the store has to do; nothing for a row that is never in the store.
  std::optional<Write> write;
  // Puts the row back as it was. Mutations are undone strictly in reverse.
  std::function<void()> undo;
};

// Tables record every change here; operations add effects. A journal covers one batch of
// operations: either Clear() it once the batch is in the store, or undo it.
class Journal {
 public:
  // A place in the journal: between two operations.
  struct Mark {
    size_t mutations = 0;
    size_t effects = 0;
  };

  void Record(Mutation mutation) { mutations_.push_back(std::move(mutation)); }
  // `E` is one of the alternatives of Effect.
  template <typename E>
  void Add(E effect) {
    effects_.emplace_back(std::in_place_type<E>, std::move(effect));
  }

  Mark Here() const { return Mark{mutations_.size(), effects_.size()}; }

  // Undoes, in reverse, everything since `mark`, and forgets it and its effects.
  void UndoTo(const Mark& mark);
  void UndoAll() { UndoTo(Mark{}); }

  // The writes of all mutations, the last one of each row only, in the order of the rows' first
  // change.
  std::vector<Write> Writes() const;

  // Forgets all mutations and hands over the effects, in order.
  std::vector<Effect> Clear();

  const std::vector<Effect>& effects() const { return effects_; }

 private:
  std::vector<Mutation> mutations_;
  std::vector<Effect> effects_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_JOURNAL_H_
