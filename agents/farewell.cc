#include "agents/farewell.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agents/fork_guard.h"
#include "agents/handoff_connection.h"
#include "mmapcore/background_thread.h"

namespace causeway {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(2);
constexpr absl::Duration kLongestPause = absl::Milliseconds(250);
// A coordinator that accepts, but does not answer.
constexpr absl::Duration kPatience = absl::Seconds(10);
// A process that leaves so often without being heard keeps the latest.
constexpr size_t kMaxFarewells = 1024;

struct Farewell {
  std::string dir;
  v1::Hello hello;
};

// Whether the same words may be answered otherwise another time.
bool WorthRepeating(int32_t code) {
  switch (static_cast<absl::StatusCode>(code)) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInternal:
    // Of a coordinator whose disk gave wrong answers about the state: the next one knows the
    // session.
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

// The coordinator's answer; nothing if it hung up, or does not answer.
std::optional<v1::HandoffEvent> AwaitAnswer(const HandoffConnection& connection) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (true) {
    absl::StatusOr<std::optional<HandoffMessage>> message = connection.Receive();
    if (!message.ok()) return std::nullopt;
    if (message->has_value()) return (*message)->event;
    const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left_ms <= 0) return std::nullopt;
    pollfd readable = {connection.fd(), POLLIN, 0};
    poll(&readable, 1, static_cast<int>(left_ms));
  }
}

// True: there is nothing more to be said.
bool Tell(const Farewell& farewell) {
  absl::StatusOr<HandoffConnection> connection = HandoffConnection::Connect(farewell.dir);
  if (!connection.ok()) {
    // A directory that has been removed took along the state that knew the session.
    return absl::IsInvalidArgument(connection.status()) ||
           (access(farewell.dir.c_str(), F_OK) != 0 && errno == ENOENT);
  }
  ForkGuard::Remember(connection->fd());
  v1::HandoffRequest request;
  *request.mutable_hello() = farewell.hello;
  std::optional<v1::HandoffEvent> answer;
  if (connection->Send(request).ok()) answer = AwaitAnswer(*connection);
  ForkGuard::Forget(connection->fd());
  // An older coordinator knows no farewells, and says welcome.
  return answer.has_value() && !(answer->has_refused() && WorthRepeating(answer->refused().code()));
}

class Farewells {
 public:
  void Add(Farewell farewell) {
    absl::MutexLock lock(&mutex_);
    if (untold_.size() == kMaxFarewells) untold_.pop_front();
    untold_.push_back(std::move(farewell));
    if (telling_) return;
    absl::StatusOr<std::thread> thread =
        StartBackgroundThread("causeway-bye", [this] { TellAll(); });
    if (!thread.ok()) return;
    thread->detach();
    telling_ = true;
  }

 private:
  void TellAll() {
    absl::Duration pause = kFirstPause;
    while (true) {
      std::deque<Farewell> now;
      {
        absl::MutexLock lock(&mutex_);
        now.swap(untold_);
        telling_ = !now.empty();
        if (!telling_) return;
      }
      std::erase_if(now, Tell);
      if (now.empty()) continue;
      absl::SleepFor(pause);
      pause = std::min(pause * 2, kLongestPause);
      absl::MutexLock lock(&mutex_);
      untold_.insert(untold_.begin(), now.begin(), now.end());
    }
  }

  absl::Mutex mutex_;
  std::deque<Farewell> untold_ ABSL_GUARDED_BY(mutex_);
  bool telling_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

void SayFarewell(const std::string& dir, const v1::Hello& hello) {
  // Never destroyed: the thread does not end with main().
  static Farewells* const farewells = new Farewells;
  farewells->Add({dir, hello});
}

}  // namespace causeway
