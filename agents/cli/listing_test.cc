#include "agents/cli/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace causeway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1'000'000'000;

Listing Example() {
  Listing listing = {.has_streams = true, .has_agents = true, .has_extents = true};
  listing.coordinator.set_directory("/run/causeway");
  listing.coordinator.set_pid(77);
  listing.coordinator.set_started_unix_ms(kNow - 3 * 60'000);
  v1::Stream stream;
  stream.set_stream_id(5);
  stream.set_name("camera");
  stream.set_readers(2);
  stream.mutable_options()->set_durability(v1::DURABILITY_MEMORY);
  stream.mutable_options()->set_capacity_bytes(8'000'000);
  listing.streams = {stream, stream, stream};
  v1::Cursor cursor;
  cursor.set_reader_id(12);
  cursor.set_lane_id(13);
  cursor.set_policy(v1::READER_POLICY_DROP);
  cursor.set_position(1'234'567);
  listing.has_readers = true;
  listing.readers = {{"camera", cursor}};
  v1::Agent agent;
  agent.set_session_id(9);
  agent.set_name("left \x1b[31meye");
  agent.set_state(v1::Agent::STATE_FENCED);
  listing.agents = {agent};
  v1::GrantedExtent extent;
  extent.mutable_extent()->set_offset(4096);
  extent.mutable_extent()->set_length(1'048'576);
  extent.set_protection(v1::PROTECTION_READ_WRITE);
  extent.set_purpose("segment");
  listing.extents = {extent};
  return listing;
}

TEST(Listing, TablesShowWhatPeopleAskFor) {
  EXPECT_THAT(
      RenderListing(Example(), 0, kNow),
      AllOf(HasSubstr("Coordinator of /run/causeway"), HasSubstr("up 3 min"), HasSubstr("camera"),
            HasSubstr("drop"), HasSubstr("1,234,567"), HasSubstr("8.00 MB"), HasSubstr("memory"),
            HasSubstr("fenced"), HasSubstr("1,048,576"), HasSubstr(" rw "), HasSubstr("segment"),
            Not(HasSubstr("\x1b"))));
}

TEST(Listing, AListThatWasNotAskedForIsNotShown) {
  Listing listing = Example();
  listing.has_agents = false;
  EXPECT_THAT(RenderListing(listing, 0, kNow), Not(HasSubstr("AGENTS")));
  EXPECT_FALSE(nlohmann::json::parse(ListingJson(listing)).contains("agents"));
}

TEST(Listing, AnEmptyListSaysSo) {
  Listing listing = Example();
  listing.extents.clear();
  EXPECT_THAT(RenderListing(listing, 0, kNow), HasSubstr("EXTENTS\nnone\n"));
  EXPECT_TRUE(nlohmann::json::parse(ListingJson(listing))["extents"].empty());
}

TEST(Listing, ALimitThatWasMetIsSaid) {
  Listing listing = Example();
  listing.limit = 2;
  EXPECT_THAT(RenderListing(listing, 0, kNow), HasSubstr("more than 2; --limit=0 shows all"));
  const auto json = nlohmann::json::parse(ListingJson(listing));
  EXPECT_EQ(json["streams"].size(), 2u);
  EXPECT_EQ(json["streams_truncated"], true);
  EXPECT_FALSE(json.contains("agents_truncated"));
}

TEST(Listing, JsonHasNumbersAsNumbers) {
  const std::string line = ListingJson(Example());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["coordinator"]["pid"], 77);
  EXPECT_EQ(json["streams"][0]["capacity_bytes"], 8'000'000);
  EXPECT_EQ(json["extents"][0]["rights"], "rw");
  EXPECT_EQ(json["agents"][0]["state"], "fenced");
  EXPECT_EQ(json["readers"][0]["policy"], "drop");
  EXPECT_EQ(json["readers"][0]["position"], 1'234'567);
}

TEST(HumanAge, IsShort) {
  EXPECT_EQ(HumanAge(-5), "0 s");
  EXPECT_EQ(HumanAge(119'999), "119 s");
  EXPECT_EQ(HumanAge(120'000), "2 min");
  EXPECT_EQ(HumanAge(7'200'000), "2 h");
  EXPECT_EQ(HumanAge(172'800'000), "2 d");
}

}  // namespace
}  // namespace causeway
