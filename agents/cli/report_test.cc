#include "agents/cli/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

WorkerReport Result(int64_t last_ns) {
  return {.kind = WorkerReport::Kind::kResult,
          .bytes = 2'000'000'000,
          .frames = 1000,
          .first_ns = 5'000'000'000,
          .last_ns = last_ns,
          .sha256 = std::string(64, 'a'),
          .latency = {.count = 1000,
                      .samples = 1000,
                      .p50_ns = 1500,
                      .p99_ns = 2'500'000,
                      .p999_ns = 3'500'000,
                      .max_ns = 4'000'000}};
}

ExchangeReport Agreeing() {
  ExchangeReport report;
  report.input = "/lib/libc.so.6";
  report.input_bytes = 1'000'000'000;
  report.frame_bytes = 65536;
  report.producer = {.name = "producer", .pid = 10, .result = Result(5'900'000'000)};
  report.consumers = {{.name = "consumer 1", .pid = 11, .result = Result(6'000'000'000)},
                      {.name = "consumer 2", .pid = 12, .result = Result(5'500'000'000)}};
  return report;
}

TEST(Report, TheSlowestConsumerMakesTheRate) {
  EXPECT_DOUBLE_EQ(Seconds(Agreeing()), 1.0);
  EXPECT_DOUBLE_EQ(GigabytesPerSecond(Agreeing()), 2.0);
}

TEST(Report, NothingSentHasNoRate) {
  ExchangeReport report;
  report.consumers.resize(1);
  EXPECT_EQ(GigabytesPerSecond(report), 0);
  EXPECT_THAT(CheckAgreement(report), testing::IsOk());
}

TEST(Report, NamesTheConsumerThatHasReadSomethingElse) {
  ExchangeReport report = Agreeing();
  report.consumers[1].result.sha256[3] = 'b';
  EXPECT_THAT(CheckAgreement(report),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("consumer 2")));
  report.hashed = false;
  EXPECT_THAT(CheckAgreement(report), testing::IsOk());
  report.consumers[0].result.bytes -= 1;
  EXPECT_THAT(CheckAgreement(report),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("consumer 1"), HasSubstr("1999999999 bytes"))));
  report = Agreeing();
  report.consumers[1].result.frames += 1;
  EXPECT_FALSE(CheckAgreement(report).ok());
}

TEST(Report, TheTableHasEveryAgentAndTheVerdict) {
  const std::string table = RenderTable(Agreeing(), 80);
  EXPECT_THAT(table, AllOf(HasSubstr("/lib/libc.so.6 (1,000,000,000 bytes, 2.00 times)"),
                           HasSubstr("consumer 2"), HasSubstr("1.50 us"), HasSubstr("2.50 ms"),
                           HasSubstr(std::string(64, 'a')), HasSubstr("All agree. 2.00 GB/s")));
  const std::vector<std::string> lines = absl::StrSplit(table, '\n');
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 88u) << line;
  }
}

TEST(Report, TheTableSaysLoudlyIfTheyDoNotAgree) {
  ExchangeReport report = Agreeing();
  report.consumers[0].result.sha256[0] = 'b';
  EXPECT_THAT(RenderTable(report, 80),
              AllOf(HasSubstr("do NOT agree: what consumer 1"), Not(HasSubstr("All agree"))));
}

TEST(Report, TheTableSaysIfPercentilesComeFromASample) {
  ExchangeReport report = Agreeing();
  EXPECT_THAT(RenderTable(report, 80), HasSubstr("of every frame"));
  report.consumers[0].result.latency.count = 5000;
  EXPECT_THAT(RenderTable(report, 80), HasSubstr("uniform sample of 1,000 frames"));
}

TEST(Report, JsonIsOneObjectOnOneLine) {
  const std::string line = RenderJson(Agreeing());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["bytes"], 2'000'000'000);
  EXPECT_EQ(json["frames"], 1000);
  EXPECT_DOUBLE_EQ(json["gb_per_s"], 2.0);
  EXPECT_EQ(json["producer"]["sha256"], std::string(64, 'a'));
  EXPECT_EQ(json["consumers"][1]["bytes"], 2'000'000'000);
  EXPECT_DOUBLE_EQ(json["consumers"][0]["p99_us"], 2500);
  EXPECT_FALSE(json.contains("error"));
}

TEST(Report, JsonOfAFailureHasItsText) {
  const auto json = nlohmann::json::parse(RenderJson(absl::NotFoundError("no \xff \"file\"")));
  EXPECT_EQ(json["ok"], false);
  EXPECT_THAT(json["error"].get<std::string>(), HasSubstr("\"file\""));
  EXPECT_EQ(json["code"], "NOT_FOUND");
  ExchangeReport report = Agreeing();
  report.consumers[0].result.sha256.clear();
  EXPECT_EQ(nlohmann::json::parse(RenderJson(report))["ok"], false);
}

TEST(Report, WithoutHashingThereIsNoHash) {
  ExchangeReport report = Agreeing();
  report.hashed = false;
  EXPECT_TRUE(nlohmann::json::parse(RenderJson(report))["producer"]["sha256"].is_null());
  EXPECT_THAT(RenderTable(report, 80), HasSubstr("Not hashed"));
}

}  // namespace
}  // namespace causeway
