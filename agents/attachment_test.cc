#include "agents/attachment.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "agents/testing/fake_coordinator.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

// What an attachment has told, in order.
class Log {
 public:
  void Add(std::string line) {
    absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }
  // Waits until there are `count` lines, and returns them.
  std::vector<std::string> Await(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]()
                            ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return lines_.size() >= count; };
    mutex_.Await(absl::Condition(&enough));
    return lines_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

class AttachmentTest : public testing::Test {
 protected:
  absl::Status Attach(absl::Duration timeout = absl::Seconds(60)) {
    absl::StatusOr<std::unique_ptr<Attachment>> attachment = Attachment::Create(
        {.dir = coordinator_.dir(),
         .name = "camera",
         .attach_timeout = timeout,
         .greeting_timeout = greeting_timeout_,
         .max_pause = absl::Milliseconds(20)},
        {.on_welcome =
             [this](const v1::Welcome& welcome) {
               log_.Add(welcome.resumed() ? "resumed" : "welcome");
               return absl::OkStatus();
             },
         .on_event =
             [this](HandoffMessage message) {
               log_.Add(message.event.evicted().reason());
               return message.event.evicted().reason() == "bad" ? absl::DataLossError("bad")
                                                                : absl::OkStatus();
             },
         .on_lost = [this](const absl::Status&) { log_.Add("lost"); },
         .on_refused =
             [this](const absl::Status& why) {
               if (on_refused_) on_refused_();
               log_.Add(std::string(why.message()));
             }});
    if (!attachment.ok()) return attachment.status();
    attachment_ = *std::move(attachment);
    return attachment_->Start();
  }

  // The coordinator's part of a first attach, while the test's thread waits in Attach().
  void AttachAndWelcome() {
    std::thread coordinator([this] {
      hello_ = coordinator_.AcceptHello();
      coordinator_.Welcome(41, false);
    });
    const absl::Status status = Attach();
    coordinator.join();
    ASSERT_TRUE(status.ok()) << status;
  }

  void SayEvent(const std::string& text) {
    v1::HandoffEvent event;
    event.mutable_evicted()->set_reason(text);
    coordinator_.Say(event);
  }

  absl::Duration greeting_timeout_ = absl::Seconds(60);
  std::function<void()> on_refused_;  // before it is logged
  FakeCoordinator coordinator_;
  v1::Hello hello_;
  Log log_;
  std::unique_ptr<Attachment> attachment_;
};

// Whether a thread of this process waits in poll() for longer than not at all.
bool AThreadSleepsInPoll() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "syscall");
    long number = -1;
    std::string fds, count, timeout;
    if (file >> number >> fds >> count >> timeout && number == SYS_poll && timeout != "0x0") {
      return true;
    }
  }
  return false;
}

TEST_F(AttachmentTest, AnIdleAttachmentSleeps) {
  AttachAndWelcome();
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  while (!AThreadSleepsInPoll()) {
    ASSERT_LT(absl::Now(), give_up) << "it keeps a processor busy";
    std::this_thread::yield();
  }
}

TEST_F(AttachmentTest, SaysWhoItIs) {
  AttachAndWelcome();
  EXPECT_EQ(hello_.protocol_version(), 1);
  EXPECT_EQ(hello_.agent_name(), "camera");
  EXPECT_EQ(hello_.nonce().size(), 16);
  EXPECT_EQ(hello_.session_id(), 0);
  EXPECT_TRUE(hello_.hears_of_peers());
  EXPECT_TRUE(attachment_->attached());
}

TEST_F(AttachmentTest, WithoutCoordinatorTheTimeoutNamesTheSocket) {
  coordinator_.StopListening(true);
  const absl::Status status = Attach(absl::Milliseconds(20));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find(coordinator_.dir()), std::string::npos) << status;
}

TEST_F(AttachmentTest, WaitsForACoordinatorThatIsStarting) {
  coordinator_.StopListening(false);  // As a killed one leaves its socket behind.
  std::thread coordinator([this] {
    coordinator_.Listen();
    coordinator_.AcceptHello();
    coordinator_.Welcome(41, false);
  });
  EXPECT_TRUE(Attach().ok());
  coordinator.join();
}

TEST_F(AttachmentTest, ARefusalIsPassedOnWithItsCode) {
  std::thread coordinator([this] {
    coordinator_.AcceptHello();
    v1::HandoffEvent event;
    event.mutable_refused()->set_code(static_cast<int>(absl::StatusCode::kResourceExhausted));
    event.mutable_refused()->set_message("max_agents is 64");
    coordinator_.Say(event);
  });
  const absl::Status status = Attach();
  coordinator.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("max_agents is 64"), std::string::npos) << status;
}

TEST_F(AttachmentTest, ResumesWithItsTokenAfterTheConnectionIsLost) {
  AttachAndWelcome();
  coordinator_.HangUp();
  const v1::Hello again = coordinator_.AcceptHello();
  EXPECT_EQ(again.session_id(), 41);
  EXPECT_EQ(again.token(), std::string(32, 't'));
  EXPECT_EQ(again.nonce(), hello_.nonce());
  coordinator_.Welcome(41, true);
  EXPECT_EQ(log_.Await(3), (std::vector<std::string>{"welcome", "lost", "resumed"}));
  EXPECT_TRUE(attachment_->AwaitAttached(absl::InfiniteFuture()));
}

TEST_F(AttachmentTest, KeepsTryingWhileThereIsNoCoordinator) {
  AttachAndWelcome();
  coordinator_.StopListening(true);
  coordinator_.HangUp();
  log_.Await(2);
  EXPECT_FALSE(attachment_->attached());
  coordinator_.Listen();
  EXPECT_EQ(coordinator_.AcceptHello().session_id(), 41);
}

TEST_F(AttachmentTest, ACoordinatorThatDoesNotAnswerIsLeftAndTriedAgain) {
  AttachAndWelcome();
  attachment_.reset();
  greeting_timeout_ = absl::Milliseconds(10);
  std::thread coordinator([this] {
    coordinator_.AcceptHello();  // And says nothing.
    EXPECT_TRUE(coordinator_.AwaitHangUp());
    // A slow test machine may make the agent give up more than once.
    while (coordinator_.AcceptHello().agent_name() == "camera") {
      coordinator_.Welcome(42, false);
      if (attachment_->AwaitAttached(absl::Now() + absl::Seconds(1))) return;
    }
  });
  EXPECT_TRUE(Attach().ok());
  coordinator.join();
}

TEST_F(AttachmentTest, ARefusedResumeEndsTheSession) {
  AttachAndWelcome();
  coordinator_.HangUp();
  coordinator_.AcceptHello();
  v1::HandoffEvent event;
  event.mutable_refused()->set_code(static_cast<int>(absl::StatusCode::kUnauthenticated));
  event.mutable_refused()->set_message("no session 41");
  coordinator_.Say(event);
  EXPECT_NE(log_.Await(3)[2].find("no session 41"), std::string::npos);
  EXPECT_FALSE(attachment_->AwaitAttached(absl::InfiniteFuture()));
}

TEST_F(AttachmentTest, WhoWaitsInVainFindsThatTheReasonWasTold) {
  absl::Notification waited;
  bool waited_before_told = false;
  on_refused_ = [&] {
    waited_before_told = waited.WaitForNotificationWithTimeout(absl::Milliseconds(100));
  };
  AttachAndWelcome();
  coordinator_.HangUp();
  coordinator_.AcceptHello();
  std::thread waiting([&] {
    while (attachment_->AwaitAttached(absl::InfiniteFuture())) std::this_thread::yield();
    waited.Notify();
  });
  v1::HandoffEvent event;
  event.mutable_refused()->set_code(static_cast<int>(absl::StatusCode::kFailedPrecondition));
  coordinator_.Say(event);
  waiting.join();
  EXPECT_FALSE(waited_before_told);
}

TEST_F(AttachmentTest, ABusyCoordinatorIsTriedAgain) {
  AttachAndWelcome();
  coordinator_.HangUp();
  coordinator_.AcceptHello();
  v1::HandoffEvent event;
  event.mutable_refused()->set_code(static_cast<int>(absl::StatusCode::kUnavailable));
  coordinator_.Say(event);
  coordinator_.HangUp();
  EXPECT_EQ(coordinator_.AcceptHello().session_id(), 41);
}

TEST_F(AttachmentTest, AnswerForAnotherSessionIsNotObeyed) {
  AttachAndWelcome();
  coordinator_.HangUp();
  coordinator_.AcceptHello();
  coordinator_.Welcome(99, true);
  EXPECT_TRUE(coordinator_.AwaitHangUp());
  EXPECT_EQ(coordinator_.AcceptHello().session_id(), 41);
}

TEST_F(AttachmentTest, AnEventBeforeTheWelcomeDropsTheConnection) {
  AttachAndWelcome();
  coordinator_.HangUp();
  coordinator_.AcceptHello();
  SayEvent("early");
  EXPECT_TRUE(coordinator_.AwaitHangUp());
}

TEST_F(AttachmentTest, AnEventThatCannotBeObeyedDropsTheConnectionAndAsksAgain) {
  AttachAndWelcome();
  SayEvent("bad");
  EXPECT_TRUE(coordinator_.AwaitHangUp());
  EXPECT_EQ(coordinator_.AcceptHello().session_id(), 41);
}

TEST_F(AttachmentTest, WorkRunsAfterEveryEventThatHadArrived) {
  AttachAndWelcome();
  constexpr int kEvents = 100;  // As many as fit the socket without a reader.
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < kEvents; ++i) SayEvent("event");
    size_t seen = 0;
    attachment_->RunAfterEvents([&] { seen = log_.Await(0).size(); });
    EXPECT_EQ(seen, 1u + (round + 1) * kEvents);
  }
}

TEST_F(AttachmentTest, WorkRunsWhileTheCoordinatorIsAway) {
  AttachAndWelcome();
  coordinator_.StopListening(true);
  coordinator_.HangUp();
  log_.Await(2);
  bool ran = false;
  attachment_->RunAfterEvents([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST_F(AttachmentTest, SendsDescriptors) {
  AttachAndWelcome();
  v1::HandoffRequest request;
  request.mutable_bring_file()->set_request_id(5);
  ASSERT_TRUE(attachment_->Send(request, STDIN_FILENO).ok());
  UniqueFd fd;
  EXPECT_EQ(coordinator_.Hear(&fd).bring_file().request_id(), 5);
  EXPECT_TRUE(fd.valid());
}

TEST_F(AttachmentTest, EndHangsUpAndDoesNotComeBack) {
  AttachAndWelcome();
  attachment_->End();
  EXPECT_TRUE(coordinator_.AwaitHangUp());
  EXPECT_FALSE(attachment_->attached());
  v1::HandoffRequest request;
  request.mutable_bring_file();
  EXPECT_EQ(attachment_->Send(request).code(), absl::StatusCode::kUnavailable);
}

TEST_F(AttachmentTest, AForkedChildDoesNotHoldTheConnectionOpen) {
  AttachAndWelcome();
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(pipe_fds[1]);
    char byte;
    (void)!read(pipe_fds[0], &byte, 1);  // Lives until the parent lets it go.
    _exit(0);
  }
  attachment_.reset();
  EXPECT_TRUE(coordinator_.AwaitHangUp());
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

}  // namespace
}  // namespace causeway
