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
  return Next(&next_id_, &records::Meta::next_id, &records::Meta::set_next_id);
}

uint64_t Books::NextEpoch() {
  return Next(&next_epoch_, &records::Meta::next_epoch, &records::Meta::set_next_epoch);
}

uint64_t Books::Next(uint64_t* next, uint64_t (records::Meta::*stored)() const,
                     void (records::Meta::*store)(uint64_t)) {
  records::Meta changed = MetaOf(*this);
  const uint64_t unused_from = (changed.*stored)();
  if (*next == 0) *next = unused_from;
  const uint64_t given = (*next)++;
  if (given >= unused_from) {
    (changed.*store)(given + kSequenceBlock);
    meta.Put(std::move(changed));
  }
  return given;
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
