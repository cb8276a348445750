#include "control/state/books.h"

#include <cstdint>
#include <set>

#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(Books, WhatIsGivenLiesBelowWhatIsStored) {
  Books books{Limits{}};
  for (uint64_t i = 1; i <= 3 * kSequenceBlock; ++i) {
    EXPECT_EQ(books.NextId(), i);
    EXPECT_EQ(books.NextEpoch(), i);
    EXPECT_GT(books.meta.Find(0)->next_id(), i);
    EXPECT_GT(books.meta.Find(0)->next_epoch(), i);
  }
}

TEST(Books, MostNumbersHaveNothingToStore) {
  Books books{Limits{}};
  int stored = 0;
  for (uint64_t i = 0; i < 10 * kSequenceBlock; ++i) {
    books.NextId();
    stored += books.journal.Writes().empty() ? 0 : 1;
    books.journal.Clear();
  }
  EXPECT_EQ(stored, 10);
}

TEST(Books, NothingIsGivenTwiceAfterAnUndo) {
  Books books{Limits{}};
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 3 * kSequenceBlock; ++i) {
    EXPECT_TRUE(seen.insert(books.NextId()).second);
    if (i % 3 == 0) {
      books.journal.UndoAll();
    } else {
      EXPECT_GT(books.meta.Find(0)->next_id(), *seen.rbegin());
      books.journal.Clear();
    }
  }
}

TEST(Books, NothingIsGivenTwiceByTheNextCoordinator) {
  Books first{Limits{}};
  uint64_t last = 0;
  for (int i = 0; i < 10; ++i) last = first.NextId();
  Books second{Limits{}};
  second.meta.Restore(*first.meta.Find(0));
  EXPECT_GT(second.NextId(), last);
  EXPECT_EQ(second.NextEpoch(), 1u) << "no epoch was given";
}

}  // namespace
}  // namespace causeway
