#include "control/state/books.h"

#include <utility>

namespace causeway {
namespace {

records::Meta MetaOf(const Books& books) {
  if (const records::Meta* meta = books.meta.Find(0); meta != nullptr) return *meta;
  records::Meta first;
  first.set_format(kRecordsFormat);
  first.set_next_id(1);
  first.set_next_epoch(1);
  return first;
}

}  // namespace

uint64_t Books::NextId() {
  records::Meta changed = MetaOf(*this);
  const uint64_t id = changed.next_id();
  changed.set_next_id(id + 1);
  meta.Put(std::move(changed));
  return id;
}

uint64_t Books::NextEpoch() {
  records::Meta changed = MetaOf(*this);
  const uint64_t epoch = changed.next_epoch();
  changed.set_next_epoch(epoch + 1);
  meta.Put(std::move(changed));
  return epoch;
}

uint64_t Books::RaiseCoordinatorEpoch() {
  records::Meta changed = MetaOf(*this);
  const uint64_t epoch = changed.coordinator_epoch() + 1;
  changed.set_coordinator_epoch(epoch);
  meta.Put(std::move(changed));
  return epoch;
}

uint64_t Books::CoordinatorEpoch() const { return MetaOf(*this).coordinator_epoch(); }

}  // namespace causeway
