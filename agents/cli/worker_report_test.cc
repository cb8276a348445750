#include "agents/cli/worker_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

TEST(WorkerReport, AResultSurvivesTheWay) {
  const WorkerReport sent = {
      .kind = WorkerReport::Kind::kResult,
      .bytes = uint64_t{1} << 63,
      .frames = 2,
      .waits = 3,
      .first_ns = 4,
      .last_ns = 5,
      .sha256 = "ab",
      .latency = {
          .count = 6, .samples = 7, .p50_ns = -8, .p99_ns = 9, .p999_ns = 10, .max_ns = 11}};
  const auto got = DecodeWorkerReport(EncodeWorkerReport(sent));
  ASSERT_THAT(got, testing::IsOk());
  EXPECT_EQ(got->kind, sent.kind);
  EXPECT_EQ(got->bytes, sent.bytes);
  EXPECT_EQ(got->frames, sent.frames);
  EXPECT_EQ(got->waits, sent.waits);
  EXPECT_EQ(got->first_ns, sent.first_ns);
  EXPECT_EQ(got->last_ns, sent.last_ns);
  EXPECT_EQ(got->sha256, sent.sha256);
  EXPECT_EQ(got->latency.count, 6u);
  EXPECT_EQ(got->latency.samples, 7u);
  EXPECT_EQ(got->latency.p50_ns, -8);
  EXPECT_EQ(got->latency.p999_ns, 10);
}

TEST(WorkerReport, ProgressHasBytesAndFrames) {
  const auto got = DecodeWorkerReport(EncodeWorkerReport({.bytes = 1, .frames = 2}));
  ASSERT_THAT(got, testing::IsOk());
  EXPECT_EQ(got->kind, WorkerReport::Kind::kProgress);
  EXPECT_EQ(got->bytes, 1u);
  EXPECT_EQ(got->frames, 2u);
}

TEST(WorkerReport, AnErrorKeepsItsCodeAndStaysOnOneLine) {
  WorkerReport sent = {.kind = WorkerReport::Kind::kError};
  sent.error = absl::ResourceExhaustedError("full:\n\xff");
  const std::string line = EncodeWorkerReport(sent);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto got = DecodeWorkerReport(line);
  ASSERT_THAT(got, testing::IsOk());
  EXPECT_THAT(got->error, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("full:\n")));
}

TEST(WorkerReport, RefusesWhatIsNone) {
  for (const char* line : {"", "{", "[]", "3", "{\"kind\":3}", "{\"kind\":\"result\"}",
                           "{\"kind\":\"progress\",\"bytes\":\"x\",\"frames\":1}"}) {
    EXPECT_THAT(DecodeWorkerReport(line), StatusIs(absl::StatusCode::kInvalidArgument)) << line;
  }
}

}  // namespace
}  // namespace causeway
