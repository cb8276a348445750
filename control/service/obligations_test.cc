#include "control/service/obligations.h"

#include <memory>

#include "absl/status/status.h"
#include "control/state/catalog.h"
#include "control/state/state_thread.h"
#include "control/store/memory_store.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

class NoSink : public EffectSink {
 public:
  void Deliver(const Effect&) override {}
};

class ObligationsTest : public ::testing::Test {
 protected:
  ObligationsTest()
      : store_(MemoryStore::OpenEmpty()),
        state_(*Catalog::FromRecords({}, Limits{}), store_.get(), &sink_),
        obligations_(&state_, [this] { ++repeats_asked_; }) {
    AttachRequest request{.connection_id = 1, .agent_name = "agent"};
    request.token_sha256 = std::string(32, 't');
    request.incarnation.set_nonce(std::string(16, 'n'));
    session_ = state_.Run([&](Catalog& catalog) { return catalog.sessions().Attach(request); })
                   .value()
                   .session_id;
  }

  // Waits for what was posted before, whose commit may be this one's, too, and fail.
  size_t Sessions() {
    state_.Run([](Catalog&) { return absl::OkStatus(); }).IgnoreError();
    return *state_.Run(
        [](Catalog& catalog) -> absl::StatusOr<size_t> { return catalog.books().sessions.size(); });
  }

  NoSink sink_;
  std::unique_ptr<MemoryStore> store_;
  StateThread state_;
  int repeats_asked_ = 0;  // Of the state thread.
  Obligations obligations_;
  uint64_t session_ = 0;
};

TEST_F(ObligationsTest, ADeathIsRecordedThoughTheStoreWasFullWhenItCame) {
  obligations_.ConnectionLost(session_, 1);
  EXPECT_EQ(Sessions(), 1u);
  store_->FailNextCommit(absl::ResourceExhaustedError("full"));
  obligations_.ProcessExited(session_);
  EXPECT_EQ(Sessions(), 1u);
  EXPECT_EQ(obligations_.unmet(), 1u);
  EXPECT_EQ(repeats_asked_, 1);

  store_->FailNextCommit(absl::ResourceExhaustedError("still full"));
  obligations_.Repeat();
  EXPECT_EQ(Sessions(), 1u);
  EXPECT_EQ(repeats_asked_, 2);

  obligations_.Repeat();
  EXPECT_EQ(Sessions(), 0u);
  EXPECT_EQ(obligations_.unmet(), 0u);
}

TEST_F(ObligationsTest, WhatCameToNothingIsNotRepeated) {
  obligations_.Meet("lane is cancelled", 7,
                    [](Catalog& catalog) { return catalog.writers().Cancel(7); });
  EXPECT_EQ(Sessions(), 1u);
  EXPECT_EQ(obligations_.unmet(), 0u);
  EXPECT_EQ(repeats_asked_, 0);
}

TEST_F(ObligationsTest, ALostStoreEndsThem) {
  store_->FailNextCommit(absl::DataLossError("I/O error"));
  obligations_.ConnectionLost(session_, 1);
  obligations_.ProcessExited(session_);
  state_.Shutdown();
  EXPECT_EQ(obligations_.unmet(), 0u);
}

}  // namespace
}  // namespace causeway
