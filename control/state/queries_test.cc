#include "control/state/queries.h"

#include <set>
#include <string>

#include "control/state/catalog_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;

TEST(Queries, PagesShowEverythingOnceInOrder) {
  CatalogFixture fixture;
  for (int i = 0; i < 7; ++i) fixture.Attach("agent" + std::to_string(i));
  for (const uint32_t size : {1u, 3u, 7u, 8u}) {
    PageRequest request{.size = size};
    uint64_t last = 0;
    size_t seen = 0;
    int pages = 0;
    do {
      const auto page = ListAgents(fixture.books(), request);
      ASSERT_TRUE(page.ok()) << page.status();
      EXPECT_LE(page->items.size(), size);
      for (const AgentView& agent : page->items) {
        EXPECT_GT(agent.session.session_id(), last);
        last = agent.session.session_id();
        ++seen;
      }
      request.token = page->next_token;
      ++pages;
    } while (!request.token.empty());
    EXPECT_EQ(seen, 7u);
    EXPECT_EQ(pages, (7 + static_cast<int>(size) - 1) / static_cast<int>(size));
  }
}

TEST(Queries, APageGoesOnWhereARowHasGone) {
  CatalogFixture fixture;
  const uint64_t first = fixture.Attach("a");
  const uint64_t second = fixture.Attach("b");
  const auto page = ListAgents(fixture.books(), {.size = 1});
  ASSERT_TRUE(page.ok());
  ASSERT_TRUE(fixture.Detach(first).ok());
  const auto rest = ListAgents(fixture.books(), {.size = 1, .token = page->next_token});
  ASSERT_TRUE(rest.ok());
  ASSERT_EQ(rest->items.size(), 1u);
  EXPECT_EQ(rest->items[0].session.session_id(), second);
}

TEST(Queries, AWrongTokenIsRefused) {
  CatalogFixture fixture;
  for (const std::string token : {"x", "-1", " 1", "1 ", "99999999999999999999", "1x"}) {
    EXPECT_EQ(ListAgents(fixture.books(), {.token = token}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << token;
    EXPECT_FALSE(ListExtents(fixture.books(), {.session_id = 1}, {.token = token}).ok());
  }
}

TEST(Queries, ExtentsSayWhoHoldsWhatOfWhichStream) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("camera");
  const uint64_t reader = fixture.Attach("store");
  const uint64_t lane = fixture.AddWriter(writer, "frames");
  fixture.AddReader(reader, "frames");
  const uint64_t file = fixture.books().lanes.Find(lane)->file_id();
  const auto of_writer = ListExtents(fixture.books(), {.session_id = writer}, {});
  ASSERT_TRUE(of_writer.ok());
  ASSERT_EQ(of_writer->items.size(), 3u);
  EXPECT_EQ(of_writer->items[0].agent_name, "camera");
  EXPECT_EQ(of_writer->items[0].stream, "frames");
  EXPECT_EQ(ListExtents(fixture.books(), {.file_id = file}, {})->items.size(), 3u);
  EXPECT_EQ(ListExtents(fixture.books(), {.file_id = file, .session_id = reader}, {})->items.size(),
            0u);
  EXPECT_EQ(ListExtents(fixture.books(), {}, {})->items.size(), 4u);
  EXPECT_EQ(ListExtents(fixture.books(), {.session_id = writer}, {.size = 2})->items.size(), 2u);
}

TEST(Queries, ThingsAreDescribedWithTheirSums) {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("camera");
  const uint64_t reader = fixture.Attach("store");
  const uint64_t lane = fixture.AddWriter(writer, "frames");
  ASSERT_TRUE(fixture.Grow(writer, lane).ok());
  fixture.AddReader(reader, "frames");
  const auto agent = DescribeAgent(fixture.books(), writer);
  ASSERT_TRUE(agent.ok());
  EXPECT_EQ(agent->granted_bytes, 7 * kTestPage);
  EXPECT_EQ(agent->writers, 1u);
  EXPECT_EQ(agent->readers, 0u);
  const auto stream = DescribeStream(fixture.books(), "frames");
  ASSERT_TRUE(stream.ok());
  EXPECT_EQ(stream->view.lanes, 1u);
  EXPECT_EQ(stream->view.readers, 1u);
  EXPECT_EQ(stream->view.granted_bytes, 6 * kTestPage);
  ASSERT_EQ(stream->lanes.size(), 1u);
  EXPECT_EQ(stream->lanes[0].segments, 3u);
  ASSERT_EQ(stream->cursors.size(), 1u);
  EXPECT_EQ(stream->cursors[0].session_id, reader);
  const uint64_t file = fixture.books().lanes.Find(lane)->file_id();
  EXPECT_EQ(DescribeFile(fixture.books(), file)->size_bytes(), 7 * kTestPage);
  EXPECT_EQ(DescribeAgent(fixture.books(), 4711).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DescribeFile(fixture.books(), 4711).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DescribeStream(fixture.books(), "x").status().code(), absl::StatusCode::kNotFound);
}

TEST(Queries, TheLargestHoldersComeFirst) {
  CatalogFixture fixture;
  EXPECT_EQ(DescribeLargestHolders(fixture.books(), 3), "nobody");
  const uint64_t small = fixture.Attach("small");
  const uint64_t large = fixture.Attach("large");
  fixture.AddReader(small);
  fixture.AddWriter(large);
  const auto holders = LargestHolders(fixture.books(), 5);
  ASSERT_EQ(holders.size(), 2u);
  EXPECT_EQ(holders[0].session_id, large);
  EXPECT_EQ(holders[1].bytes, kTestPage);
  EXPECT_THAT(DescribeLargestHolders(fixture.books(), 1), HasSubstr("\"large\" 20480"));
}

}  // namespace
}  // namespace causeway
