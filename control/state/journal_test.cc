#include "control/state/journal.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "control/state/records.pb.h"
#include "control/state/table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::ElementsAre;

records::Stream StreamRow(uint64_t id, const std::string& name) {
  records::Stream row;
  row.set_stream_id(id);
  row.set_name(name);
  return row;
}

std::string Text(const Table<records::Stream>& table) {
  std::string text;
  for (const auto& [id, row] : table.rows()) text += row.name() + " ";
  return text;
}

TEST(Journal, UndoesInReverseToAnyMark) {
  Journal journal;
  Table<records::Stream> table(&journal);
  table.Put(StreamRow(1, "a"));
  const Journal::Mark mark = journal.Here();
  table.Put(StreamRow(1, "b"));
  table.Put(StreamRow(2, "c"));
  table.Erase(1);
  table.Put(StreamRow(1, "d"));
  journal.Add(ForgetBroughtFile{.file_id = 7});
  EXPECT_EQ(Text(table), "d c ");
  journal.UndoTo(mark);
  EXPECT_EQ(Text(table), "a ");
  EXPECT_TRUE(journal.effects().empty());
  EXPECT_EQ(journal.Writes().size(), 1u);
  journal.UndoAll();
  EXPECT_EQ(Text(table), "");
  EXPECT_TRUE(journal.Writes().empty());
}

TEST(Journal, StoresEachRowOnceAsItIsAtLast) {
  Journal journal;
  Table<records::Stream> table(&journal);
  table.Put(StreamRow(1, "a"));
  table.Put(StreamRow(2, "b"));
  table.Put(StreamRow(1, "c"));
  table.Erase(2);
  table.Erase(3);  // Was never there.
  EXPECT_THAT(journal.Writes(),
              ElementsAre(Write::Put("stream", EncodeKey(1), StreamRow(1, "c").SerializeAsString()),
                          Write::Delete("stream", EncodeKey(2))));
}

TEST(Journal, RowsThatEndWithTheCoordinatorAreUndoneButNeverStored) {
  Journal journal;
  Table<records::Split> table(&journal);
  records::Split row;
  row.set_split_id(4);
  table.Put(row);
  EXPECT_TRUE(journal.Writes().empty());
  journal.UndoAll();
  EXPECT_EQ(table.size(), 0u);
}

TEST(Journal, ClearHandsOverTheEffectsInOrder) {
  Journal journal;
  journal.Add(ForgetBroughtFile{.file_id = 1});
  journal.Add(SessionEnded{.session_id = 2});
  const std::vector<Effect> effects = journal.Clear();
  ASSERT_EQ(effects.size(), 2u);
  EXPECT_EQ(std::get<ForgetBroughtFile>(effects[0]).file_id, 1u);
  EXPECT_EQ(std::get<SessionEnded>(effects[1]).session_id, 2u);
  EXPECT_TRUE(journal.Clear().empty());
}

}  // namespace
}  // namespace causeway
