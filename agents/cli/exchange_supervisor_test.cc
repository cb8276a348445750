#include "agents/cli/exchange_supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agents/cli/worker_report.h"
#include "mmapcore/testing/status_matchers.h"

namespace causeway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

// The workers are this program: what they do stands in the name of the input. See main().
class ExchangeSupervisorTest : public ::testing::Test {
 protected:
  absl::Status Run(const std::string& behaviour, uint64_t consumers = 2) {
    return supervisor_.Run({.input = behaviour, .consumers = consumers}, -1, report_);
  }

  ProcessGroup group_ = ProcessGroup::Create().value();
  ExchangeSupervisor supervisor_{group_, std::nullopt, /*progress_width=*/0};
  ExchangeReport report_;
};

TEST_F(ExchangeSupervisorTest, CollectsEveryResult) {
  ASSERT_THAT(Run("all:result"), IsOk());
  EXPECT_EQ(report_.producer.name, "producer");
  EXPECT_EQ(report_.producer.result.bytes, 5u);
  ASSERT_EQ(report_.consumers.size(), 2u);
  EXPECT_EQ(report_.consumers[1].name, "consumer 2");
  EXPECT_EQ(report_.consumers[1].result.bytes, 5u);
  EXPECT_NE(report_.consumers[0].pid, report_.consumers[1].pid);
}

TEST_F(ExchangeSupervisorTest, PassesOnAnErrorWithTheWorkersName) {
  EXPECT_THAT(Run("producer:error"),
              StatusIs(absl::StatusCode::kResourceExhausted, "producer: no room"));
}

TEST_F(ExchangeSupervisorTest, SaysWhichWorkerDiedByWhichSignal) {
  EXPECT_THAT(Run("consumer 2:die"),
              StatusIs(absl::StatusCode::kAborted,
                       AllOf(HasSubstr("consumer 2 (pid "), HasSubstr("signal 9 (Killed)"))));
}

// Whichever of the two is heard first.
TEST_F(ExchangeSupervisorTest, ADeathExplainsAComplaint) {
  EXPECT_THAT(Run("producer:error consumer 1:die"),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("consumer 1 (pid ")));
}

TEST_F(ExchangeSupervisorTest, AnEndWithoutAResultIsAFailure) {
  EXPECT_THAT(Run("consumer 1:leave"),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("exited with status 0 before")));
}

TEST_F(ExchangeSupervisorTest, NonsenseIsAFailure) {
  EXPECT_THAT(Run("producer:nonsense"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("garbage")));
}

TEST_F(ExchangeSupervisorTest, ASignalEndsIt) {
  EXPECT_THAT(Run("producer:signal_parent"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(supervisor_.signal(), SIGTERM);
}

void Say(const std::string& line) {
  const std::string text = absl::StrCat(line, "\n");
  if (write(kReportFd, text.data(), text.size()) < 0) _exit(1);
}

// What a worker of that name is to do: "<name>:<behaviour>", "all:<behaviour>", else to wait.
int RunAsWorker(const ExchangeWorkerOptions& options) {
  std::string_view what = "wait";
  const std::string_view all = options.input;
  for (const std::string& key : {std::string("all:"), options.name + ":"}) {
    if (const size_t found = all.find(key); found != std::string_view::npos) {
      what = all.substr(found + key.size());
    }
  }
  const auto is = [&](const char* name) { return absl::StartsWith(std::string(what), name); };
  if (is("result")) {
    Say(EncodeWorkerReport({.bytes = 3}));
    Say(EncodeWorkerReport({.kind = WorkerReport::Kind::kResult, .bytes = 5}));
    return 0;
  }
  if (is("error")) {
    WorkerReport report = {.kind = WorkerReport::Kind::kError};
    report.error = absl::ResourceExhaustedError("no room");
    Say(EncodeWorkerReport(report));
    return 1;
  }
  if (is("leave")) return 0;
  if (is("nonsense")) Say("garbage");
  if (is("signal_parent")) kill(getppid(), SIGTERM);
  if (is("die")) raise(SIGKILL);
  while (true) pause();
}

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (word == causeway::kExchangeProducer || word == causeway::kExchangeConsumer) {
    causeway::ExchangeWorkerOptions options;
    if (!causeway::ParseExchangeWorkerArguments(argc - 1, argv + 1, options).ok()) return 2;
    return causeway::RunAsWorker(options);
  }
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
