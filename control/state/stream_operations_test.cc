#include "control/state/stream_operations.h"

#include <string>

#include "control/state/catalog_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<records::Stream> Create(CatalogFixture* fixture, const std::string& name,
                                       const v1::StreamOptions& options = {}) {
  return fixture->Do([&](Catalog& catalog) { return catalog.streams().Create(name, options, 5); });
}

absl::Status Delete(CatalogFixture* fixture, const std::string& name) {
  return fixture->Do([&](Catalog& catalog) { return catalog.streams().Delete(name); });
}

TEST(StreamOperations, TheSameOptionsAreTheSameStream) {
  CatalogFixture fixture;
  const auto stream = Create(&fixture, "s");
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(stream->options().segment_bytes(), 2 * kTestPage);
  EXPECT_EQ(Create(&fixture, "s")->stream_id(), stream->stream_id()) << "zeros agree with all";
  EXPECT_EQ(Create(&fixture, "s", stream->options())->stream_id(), stream->stream_id());
  v1::StreamOptions other;
  other.set_segment_bytes(4 * kTestPage);
  const absl::Status status = Create(&fixture, "s", other).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("segment_bytes 8192"));
}

TEST(StreamOperations, BadNamesAndOptionsAreRefused) {
  CatalogFixture fixture;
  for (const std::string name : {"", ".", "..", "a/b", "a\nb", "\xff"}) {
    EXPECT_EQ(Create(&fixture, name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  v1::StreamOptions options;
  options.set_segment_bytes(1);
  EXPECT_EQ(Create(&fixture, "s", options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(StreamOperations, TheNumberOfStreamsIsLimited) {
  Limits limits = SmallLimits();
  limits.max_streams = 1;
  CatalogFixture fixture(limits);
  ASSERT_TRUE(Create(&fixture, "s").ok());
  const absl::Status full = Create(&fixture, "t").status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("max_streams (1)"));
  EXPECT_TRUE(Create(&fixture, "s").ok()) << "it is there";
  ASSERT_TRUE(Delete(&fixture, "s").ok());
  EXPECT_TRUE(Create(&fixture, "t").ok());
}

TEST(StreamOperations, AStreamInUseIsNotDeleted) {
  CatalogFixture fixture;
  const uint64_t session = fixture.Attach("camera");
  fixture.AddWriter(session, "s");
  fixture.AddReader(session, "s");
  const absl::Status in_use = Delete(&fixture, "s");
  EXPECT_EQ(in_use.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(in_use.message()), HasSubstr("1 lanes and 1 readers, of session"));
  EXPECT_THAT(std::string(in_use.message()), HasSubstr("\"camera\""));
  ASSERT_TRUE(fixture.Evict(session).ok());
  EXPECT_TRUE(Delete(&fixture, "s").ok()) << "what is left of a fenced agent is out of the stream";
  EXPECT_EQ(Delete(&fixture, "s").code(), absl::StatusCode::kNotFound);
  fixture.Restart();
  fixture.Exit(session);
  EXPECT_EQ(fixture.books().extents.size(), 0u);
}

}  // namespace
}  // namespace causeway
