#include "control/state/state_thread.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "control/store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

using ::testing::HasSubstr;

class RecordingSink : public EffectSink {
 public:
  void Deliver(const Effect& effect) override {
    absl::MutexLock lock(&mutex_);
    effects_.push_back(effect);
  }
  std::vector<Effect> effects() const {
    absl::MutexLock lock(&mutex_);
    return effects_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<Effect> effects_ ABSL_GUARDED_BY(mutex_);
};

AttachRequest Request(int n) {
  AttachRequest request{.connection_id = static_cast<uint64_t>(n),
                        .agent_name = absl::StrCat("agent ", n)};
  request.token_sha256 = absl::StrCat("token ", n);
  request.token_sha256.resize(32);
  request.incarnation.set_nonce(request.token_sha256.substr(0, 16));
  return request;
}

absl::StatusOr<records::Stream> Create(Catalog& catalog, const std::string& name) {
  return catalog.streams().Create(name, v1::StreamOptions(), 1);
}

class StateThreadTest : public ::testing::Test {
 protected:
  StateThreadTest() : disk_(std::make_shared<MemoryDisk>()), store_(*MemoryStore::Open(disk_)) {
    thread_ =
        std::make_unique<StateThread>(*Catalog::FromRecords({}, Limits{}), store_.get(), &sink_);
  }

  absl::StatusOr<records::Stream> RunCreate(const std::string& name) {
    return thread_->Run([&](Catalog& catalog) { return Create(catalog, name); });
  }
  size_t Streams() {
    size_t count = 0;
    EXPECT_TRUE(thread_
                    ->Run([&](Catalog& catalog) {
                      count = catalog.books().streams.size();
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  }

  // Holds the state thread up, so that what is posted meanwhile becomes one batch.
  class Pause {
   public:
    explicit Pause(StateThread* thread) {
      thread->Post(
          [this](Catalog&) {
            reached_.Notify();
            go_.WaitForNotification();
            return absl::OkStatus();
          },
          [this](const absl::Status&) { done_.Notify(); });
      reached_.WaitForNotification();
    }
    void End() { go_.Notify(); }
    ~Pause() { done_.WaitForNotification(); }

   private:
    absl::Notification reached_;
    absl::Notification go_;
    absl::Notification done_;
  };

  std::shared_ptr<MemoryDisk> disk_;
  std::unique_ptr<MemoryStore> store_;
  RecordingSink sink_;
  std::unique_ptr<StateThread> thread_;
};

TEST_F(StateThreadTest, AnAnswerMeansStored) {
  const auto stream = RunCreate("s");
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(disk_->records.count({"stream", EncodeKey(stream->stream_id())}), 1u);
  const auto reloaded = Catalog::FromRecords(*store_->Load(), Limits{});
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  EXPECT_NE((*reloaded)->books().streams.FindByName("s"), nullptr);
}

TEST_F(StateThreadTest, WhatIsQueuedTogetherIsCommittedTogether) {
  constexpr int kOperations = 100;
  absl::BlockingCounter answers(kOperations);
  {
    Pause pause(thread_.get());
    for (int i = 0; i < kOperations; ++i) {
      thread_->Post(
          [i](Catalog& catalog) { return Create(catalog, absl::StrCat("s", i)).status(); },
          [&](const absl::Status& status) {
            EXPECT_TRUE(status.ok()) << status;
            answers.DecrementCount();
          });
    }
    pause.End();
  }
  answers.Wait();
  const StateThreadCounters counters = thread_->counters();
  EXPECT_EQ(counters.commits, 1u);
  EXPECT_EQ(counters.largest_batch, static_cast<uint64_t>(kOperations));
  EXPECT_EQ(counters.written_records, kOperations + 1u) << "and one for the ids";
  EXPECT_EQ(Streams(), static_cast<size_t>(kOperations));
}

TEST_F(StateThreadTest, ManyCallersShareCommits) {
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  std::vector<std::thread> callers;
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(RunCreate(absl::StrCat("s", t, "-", i)).ok());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  const StateThreadCounters counters = thread_->counters();
  EXPECT_EQ(counters.operations, static_cast<uint64_t>(kThreads * kEach));
  EXPECT_LE(counters.commits, counters.operations);
  EXPECT_EQ(Streams(), static_cast<size_t>(kThreads * kEach));
}

TEST_F(StateThreadTest, AFailedOperationLeavesItsBatchAlone) {
  const absl::Status status = thread_->Run([](Catalog& catalog) -> absl::Status {
    // Breaks the rule that a failing operation changes nothing: the thread sees to it.
    (void)Create(catalog, "half");
    return absl::AbortedError("changed my mind");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Streams(), 0u);
  EXPECT_EQ(thread_->counters().commits, 0u);
}

TEST_F(StateThreadTest, AFailedCommitUndoesTheBatchAndAnswersEveryone) {
  ASSERT_TRUE(RunCreate("before").ok());
  const auto records = disk_->records;
  std::vector<absl::Status> answers(3);
  absl::BlockingCounter answered(3);
  {
    Pause pause(thread_.get());
    store_->FailNextCommit(absl::ResourceExhaustedError("disk full"));
    const auto post = [&](int i, absl::AnyInvocable<absl::Status(Catalog&)> operation) {
      thread_->Post(std::move(operation), [&, i](const absl::Status& status) {
        answers[i] = status;
        answered.DecrementCount();
      });
    };
    post(0, [](Catalog& catalog) { return Create(catalog, "a").status(); });
    post(1, [](Catalog& catalog) { return catalog.sessions().Attach(Request(1)).status(); });
    // It has seen what was not stored, so it must not be believed either.
    post(2, [](Catalog& catalog) {
      return catalog.books().streams.FindByName("a") != nullptr ? absl::OkStatus()
                                                                : absl::InternalError("not seen");
    });
    pause.End();
  }
  answered.Wait();
  EXPECT_EQ(Streams(), 1u);
  for (const absl::Status& answer : answers) {
    EXPECT_EQ(answer.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(answer.message()), HasSubstr("disk full"));
  }
  EXPECT_EQ(disk_->records, records);
  EXPECT_TRUE(sink_.effects().empty()) << "nobody was welcomed";
  EXPECT_TRUE(RunCreate("after").ok()) << "the store is usable again";
  EXPECT_EQ(thread_->counters().failed_commits, 1u);
}

TEST_F(StateThreadTest, AStoreOfUnknownContentStopsEverything) {
  store_->FailNextCommit(absl::DataLossError("input/output error"));
  EXPECT_EQ(RunCreate("a").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RunCreate("b").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(thread_->Run([](Catalog&) { return absl::OkStatus(); }).code(),
            absl::StatusCode::kDataLoss)
      << "reading, too: another coordinator may see something else";
}

TEST_F(StateThreadTest, EffectsComeInOrderAndBeforeTheAnswer) {
  for (int i = 1; i <= 20; ++i) {
    const auto attached =
        thread_->Run([i](Catalog& catalog) { return catalog.sessions().Attach(Request(i)); });
    ASSERT_TRUE(attached.ok()) << attached.status();
    const std::vector<Effect> effects = sink_.effects();
    ASSERT_EQ(effects.size(), static_cast<size_t>(i));
    EXPECT_EQ(std::get<SendEvent>(effects.back()).session_id, attached->session_id);
  }
}

TEST_F(StateThreadTest, ReadingCommitsNothing) {
  EXPECT_EQ(Streams(), 0u);
  EXPECT_EQ(thread_->counters().commits, 0u);
  EXPECT_EQ(thread_->counters().operations, 1u);
}

TEST_F(StateThreadTest, AMoveOnlyAnswerIsPossible) {
  const auto answer = thread_->Run(
      [](Catalog&) -> absl::StatusOr<std::unique_ptr<int>> { return std::make_unique<int>(5); });
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(**answer, 5);
}

TEST_F(StateThreadTest, ShutdownAnswersWhatIsQueuedAndRefusesTheRest) {
  int answered = 0;
  {
    Pause pause(thread_.get());
    for (int i = 0; i < 10; ++i) {
      thread_->Post([i](Catalog& catalog) { return Create(catalog, absl::StrCat(i)).status(); },
                    [&](const absl::Status& status) { answered += status.ok() ? 1 : 0; });
    }
    pause.End();
  }
  thread_->Shutdown();
  thread_->Shutdown();
  EXPECT_EQ(answered, 10);
  EXPECT_EQ(RunCreate("late").status().code(), absl::StatusCode::kUnavailable);
}

TEST(StateThreadQueue, IsBounded) {
  const auto store = MemoryStore::OpenEmpty();
  RecordingSink sink;
  StateThread thread(*Catalog::FromRecords({}, Limits{}), store.get(), &sink,
                     StateThread::Options{.max_batch = 1, .max_queue = 2});
  absl::Notification reached;
  absl::Notification go;
  thread.Post(
      [&](Catalog&) {
        reached.Notify();
        go.WaitForNotification();
        return absl::OkStatus();
      },
      [](const absl::Status&) {});
  reached.WaitForNotification();
  absl::Status third;
  for (int i = 0; i < 3; ++i) {
    thread.Post([](Catalog&) { return absl::OkStatus(); },
                [&, i](const absl::Status& status) {
                  if (i == 2) third = status;
                });
  }
  EXPECT_EQ(third.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(third.message()), HasSubstr("max_queue (2)"));
  go.Notify();
  thread.Shutdown();
  EXPECT_EQ(thread.counters().largest_batch, 1u);
}

}  // namespace
}  // namespace causeway
