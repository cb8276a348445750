#include "control/handoff/listener.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "control/handoff/event_loop.h"
#include "control/process/testing/unix_connection.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/nth_system_call.h"
#include "mmapcore/testing/subprocess.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

using testing::RunInChild;
using testing::UnixListener;

// A listener, and what it called back with.
class Listening {
 public:
  explicit Listening(UnixListener& socket)
      : loop_(*EventLoop::Start()),
        listener_(*Listener::Start(
            loop_.get(), "test.sock", socket.TakeListening(),
            [this](UniqueFd) { Count(&connected_); }, [this](int) { Count(&refused_); })) {}
  ~Listening() { loop_.reset(); }

  Listener& listener() { return *listener_; }

  void AwaitConnected(int count) { Await(&connected_, count); }
  void AwaitRefused(int count) { Await(&refused_, count); }

  int connected() { return Read(&connected_); }
  int refused() { return Read(&refused_); }

  // Until the loop has seen what was ready before.
  void Settle() {
    absl::Notification done;
    loop_->Post([&] { loop_->Post([&] { done.Notify(); }); });
    done.WaitForNotification();
  }

 private:
  void Count(int* what) {
    absl::MutexLock lock(&mutex_);
    ++*what;
  }
  int Read(const int* what) {
    absl::MutexLock lock(&mutex_);
    return *what;
  }
  void Await(const int* what, int count) {
    const auto reached = [what, count] { return *what >= count; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&reached));
  }

  absl::Mutex mutex_;
  int connected_ = 0;
  int refused_ = 0;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Listener> listener_;
};

TEST(Listener, AcceptsEveryConnection) {
  UnixListener socket;
  Listening listening(socket);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(socket.Connect().valid());
  listening.AwaitConnected(100);
}

TEST(Listener, AcceptsNothingOnceItIsClosed) {
  UnixListener socket;
  Listening listening(socket);
  listening.listener().Close();
  EXPECT_FALSE(socket.Connect().valid());
  EXPECT_EQ(errno, ECONNREFUSED);
  listening.Settle();
  EXPECT_EQ(listening.connected(), 0);
}

TEST(Listener, WithoutADescriptorConnectionsAreRefusedAndTheNextOneIsAccepted) {
  UnixListener socket;
  const UniqueFd first = socket.Connect();
  EXPECT_EQ(RunInChild([&] {
              rlimit limit;
              getrlimit(RLIMIT_NOFILE, &limit);
              const rlim_t before = limit.rlim_cur;
              Listening listening(socket);
              listening.AwaitConnected(1);
              listening.Settle();  // Its descriptor is closed.
              const UniqueFd refused[] = {
                  UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)),
                  UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0))};
              limit.rlim_cur = static_cast<rlim_t>(UniqueFd(dup(first.get())).get());
              setrlimit(RLIMIT_NOFILE, &limit);
              // The second one needs what was given up for the first.
              for (int i = 0; i < 2; ++i) {
                const int connection = refused[i].get();
                if (!testing::Connect(connection, socket.path().c_str())) return 2;
                listening.AwaitRefused(i + 1);
                char byte;
                if (recv(connection, &byte, 1, 0) != 0) return 3;
              }
              limit.rlim_cur = before;
              setrlimit(RLIMIT_NOFILE, &limit);
              const UniqueFd next = socket.Connect();
              listening.AwaitConnected(2);
              return listening.refused() == 2 ? 0 : 4;
            }),
            "exit 0");
}

// The connection waits meanwhile, and would wake the loop as often as it asks.
TEST(Listener, WhatTheKernelHasNoMemoryForIsTriedAgainAfterAPause) {
  UnixListener socket;
  const UniqueFd connection = socket.Connect();
  EXPECT_EQ(RunInChild([&] {
              const long calls[] = {SYS_accept4};
              if (!testing::WatchSystemCalls(calls)) return 1;
              testing::RefuseCall(SYS_accept4, 1, ENOMEM, /*for_ever=*/false);
              const auto begin = std::chrono::steady_clock::now();
              Listening listening(socket);
              listening.AwaitConnected(1);
              const auto took = std::chrono::steady_clock::now() - begin;
              return absl::FromChrono(took) >= Listener::kPause ? 0 : 2;
            }),
            "exit 0");
}

}  // namespace
}  // namespace causeway
