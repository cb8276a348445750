// The standing connection of a session: attaches, hands on events in order, and attaches again by
// itself when the coordinator was away.

#ifndef CAUSEWAY_AGENTS_ATTACHMENT_H_
#define CAUSEWAY_AGENTS_ATTACHMENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agents/handoff_connection.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// States, each arrow with what takes it:
//
//   connecting --Hello sent--> greeting --Welcome--> attached --connection lost--> connecting
//       ^                         |  |                   |
//       +--lost, silent, or busy--+  +-----Refused-----> ended <---End()---+
//
// Attempts are repeated after a pause that doubles from kFirstPause to `max_pause`, with jitter, so
// that the agents of a restarted coordinator do not arrive at once. Watching the directory with
// inotify would be no better: the socket's file is there before anybody listens, it may stay after
// its owner's death, and events do not cross into a container's own mount of the directory. An
// attempt on a dead socket costs microseconds.
class Attachment {
 public:
  struct Options {
    std::string dir;
    std::string name;
    absl::Duration attach_timeout;
    absl::Duration greeting_timeout;  // a coordinator that has accepted, but does not answer
    absl::Duration max_pause;
    int polled_fd = -1;  // the owner's, polled for reading besides; negative: none
  };

  // All are called from the attachment's thread. None may destroy the attachment.
  struct Callbacks {
    // Before any event of this connection. A failure drops the connection.
    std::function<absl::Status(const v1::Welcome&)> on_welcome;
    // Everything but Welcome and Refused. A failure drops the connection: all is told again then.
    std::function<absl::Status(HandoffMessage)> on_event;
    // The coordinator is away, and why.
    std::function<void(const absl::Status&)> on_lost;
    // The coordinator does not know the session any more, or refuses it for good.
    std::function<void(const absl::Status&)> on_refused;
    // `polled_fd` is readable. After the events that had arrived, also while the coordinator is
    // away.
    std::function<void()> on_polled;
  };

  // Does nothing yet, so that callbacks may refer to the result.
  // ResourceExhausted: descriptors.
  static absl::StatusOr<std::unique_ptr<Attachment>> Create(Options options, Callbacks callbacks);

  // Starts, and returns once attached. To be called once. Errors as for Agent::Attach().
  absl::Status Start();

  // Closes the connection, ends the thread.
  ~Attachment();

  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  // Runs `body` on the attachment's thread, after every event that had arrived when it was called,
  // and waits for it. Runs it also while the coordinator is away. Not from a callback.
  void RunAfterEvents(absl::FunctionRef<void()> body);

  // Sends one request; `fd` stays the caller's. Does not wait. From any thread.
  // Unavailable: the coordinator is away. Others as for HandoffConnection::Send().
  absl::Status Send(const v1::HandoffRequest& request, int fd = -1);

  // Closes the connection and does not come back. From any thread. A second End() does nothing.
  void End();

  // What tells the coordinator, on another connection, that the session is over. Nothing if there
  // has never been one. Not from a callback.
  std::optional<v1::Hello> Farewell();

  // From now on, a lost connection is the end. To be called by whoever asks to be let go.
  void ExpectEnd();

  bool attached() const;

  // Waits until it is attached, or has ended, or the deadline; returns attached().
  bool AwaitAttached(absl::Time deadline) const;

 private:
  enum class State { kConnecting, kGreeting, kAttached, kEnded };
  struct Task {
    absl::FunctionRef<void()> body;
    bool done;
  };

  Attachment(Options options, Callbacks callbacks);

  void Run();
  void Connect();
  // Handles every event that has arrived. False if there may be more.
  bool Drain();
  // For the thread, which alone replaces it, and need not lock to read it.
  HandoffConnection* own_connection() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return connection_.get();
  }
  // What every attempt begins with; names the session if there is one.
  v1::Hello Greeting() const;
  absl::Status Handle(HandoffMessage message);
  absl::Status HandleWelcome(const v1::Welcome& welcome);
  absl::Status HandleRefused(const v1::Refused& refused);
  void Lose(const absl::Status& why);
  void TakeTasks();
  void RunTasks();
  void Wake();
  bool Stopping() const;
  void SetState(State state, const absl::Status& why);
  State state() const;

  const Options options_;
  const Callbacks callbacks_;
  UniqueFd wake_;
  std::thread thread_;

  // Of the thread.
  std::string nonce_;  // part of the incarnation; drawn anew for each attempt to get a session
  uint64_t session_id_ = 0;  // 0: never attached
  std::string token_;
  absl::Time next_attempt_ = absl::InfinitePast();
  absl::Time greeting_deadline_ = absl::InfiniteFuture();
  absl::Duration pause_;
  std::vector<Task*> taken_;  // from tasks_, to be run after the events that are read next

  mutable absl::Mutex mutex_;
  // Replaced by the thread only.
  std::shared_ptr<HandoffConnection> connection_ ABSL_GUARDED_BY(mutex_);
  State state_ ABSL_GUARDED_BY(mutex_) = State::kConnecting;
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool end_expected_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Task*> tasks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_ATTACHMENT_H_
