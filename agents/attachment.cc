#include "agents/attachment.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/fork_guard.h"
#include "mmapcore/background_thread.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

constexpr uint32_t kProtocolVersion = 1;
constexpr size_t kNonceBytes = 16;
constexpr size_t kTokenBytes = 32;
constexpr absl::Duration kFirstPause = absl::Milliseconds(2);
// Events handled before the state is looked at again.
constexpr int kMaxEventsPerTurn = 1024;

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  size_t filled = 0;
  while (filled < count) {
    const ssize_t got = getrandom(bytes.data() + filled, count - filled, 0);
    if (got > 0) filled += static_cast<size_t>(got);
  }
  return bytes;
}

// A pause somewhere between half of `pause` and all of it.
absl::Duration Jittered(absl::Duration pause) {
  uint8_t random = 0;
  (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
  return pause / 2 + pause / 2 * (random / 255.0);
}

// Whether another attempt could end otherwise.
bool WorthRetrying(absl::StatusCode code, bool resuming) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
      return true;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAlreadyExists:  // It has not yet seen the former connection close.
    case absl::StatusCode::kInternal:
      return resuming;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Attachment>> Attachment::Create(Options options,
                                                               Callbacks callbacks) {
  std::unique_ptr<Attachment> attachment(new Attachment(std::move(options), std::move(callbacks)));
  attachment->wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!attachment->wake_.valid()) return StatusFromErrno(errno, {.operation = "eventfd"});
  return attachment;
}

absl::Status Attachment::Start() {
  absl::StatusOr<std::thread> thread = StartBackgroundThread("causeway-events", [this] { Run(); });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  if (AwaitAttached(absl::Now() + options_.attach_timeout)) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  if (state_ == State::kEnded) return last_error_;
  return absl::Status(
      last_error_.code(),
      absl::StrCat("not attached within ", absl::FormatDuration(options_.attach_timeout), ": ",
                   last_error_.message()));
}

Attachment::Attachment(Options options, Callbacks callbacks)
    : options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      pause_(kFirstPause),
      last_error_(absl::UnavailableError(
          absl::StrCat("there was no time to try the coordinator of ", options_.dir))) {}

Attachment::~Attachment() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  Wake();
  if (thread_.joinable()) thread_.join();
  if (connection_ != nullptr) ForkGuard::Forget(connection_->fd());
}

void Attachment::Wake() {
  const uint64_t one = 1;
  // Fails only if the counter is full, and then the thread is about to wake anyway.
  (void)!write(wake_.get(), &one, sizeof(one));
}

void Attachment::RunAfterEvents(absl::FunctionRef<void()> body) {
  Task task = {body, false};
  {
    absl::MutexLock lock(&mutex_);
    tasks_.push_back(&task);
  }
  Wake();
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&task.done));
}

absl::Status Attachment::Send(const v1::HandoffRequest& request, int fd) {
  std::shared_ptr<HandoffConnection> connection;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kAttached) connection = connection_;
  }
  if (connection == nullptr) {
    return absl::UnavailableError(absl::StrCat("the coordinator of ", options_.dir, " is away"));
  }
  return connection->Send(request, fd);
}

void Attachment::End() {
  SetState(State::kEnded, absl::CancelledError("detached"));
  Wake();
}

void Attachment::ExpectEnd() {
  absl::MutexLock lock(&mutex_);
  end_expected_ = true;
}

bool Attachment::attached() const { return state() == State::kAttached; }

bool Attachment::AwaitAttached(absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  const auto settled = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return state_ == State::kAttached || state_ == State::kEnded;
  };
  mutex_.AwaitWithDeadline(absl::Condition(&settled), deadline);
  return state_ == State::kAttached;
}

Attachment::State Attachment::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

bool Attachment::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void Attachment::SetState(State state, const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  if (state_ == State::kEnded) return;
  state_ = end_expected_ && state == State::kConnecting ? State::kEnded : state;
  if (!why.ok()) last_error_ = why;
}

void Attachment::Run() {
  while (!Stopping()) {
    if (state() == State::kEnded && own_connection() != nullptr) Lose(absl::OkStatus());
    if (state() == State::kConnecting && absl::Now() >= next_attempt_) Connect();
    if (state() == State::kGreeting && absl::Now() >= greeting_deadline_) {
      Lose(absl::UnavailableError(absl::StrCat("the coordinator of ", options_.dir,
                                               " accepts connections but does not answer")));
    }
    absl::Time until = absl::InfiniteFuture();
    if (state() == State::kConnecting) until = next_attempt_;
    if (state() == State::kGreeting) until = greeting_deadline_;
    // Bounded before it is rounded up: the milliseconds of an infinite duration are the largest
    // number. Rounded up, so as not to wake just before the time has come.
    const int64_t wait_ms =
        std::clamp<int64_t>(absl::ToInt64Milliseconds(until - absl::Now()), -1, 3'600'000) + 1;
    std::array<pollfd, 3> fds = {
        {{wake_.get(), POLLIN, 0}, {-1, POLLIN, 0}, {options_.polled_fd, POLLIN, 0}}};
    if (own_connection() != nullptr) fds[1].fd = own_connection()->fd();
    poll(fds.data(), fds.size(), static_cast<int>(wait_ms));
    if (fds[0].revents != 0) {
      uint64_t count;
      (void)!read(wake_.get(), &count, sizeof(count));
    }
    // Taken before the events are: what had arrived when a task was added is then read before it
    // runs.
    TakeTasks();
    const bool drained = own_connection() == nullptr || Drain();
    if (fds[2].revents != 0) callbacks_.on_polled();
    if (drained) RunTasks();
  }
  TakeTasks();
  RunTasks();
}

void Attachment::Connect() {
  next_attempt_ = absl::Now() + Jittered(pause_);
  pause_ = std::min(pause_ * 2, std::max(options_.max_pause, kFirstPause));
  absl::StatusOr<HandoffConnection> connection = HandoffConnection::Connect(options_.dir);
  absl::Status status = connection.status();
  if (status.ok()) {
    CAUSEWAY_CRASH_POINT("agent.attach.connected");
    v1::HandoffRequest request;
    if (session_id_ == 0) nonce_ = RandomBytes(kNonceBytes);
    *request.mutable_hello() = Greeting();
    status = connection->Send(request);
    CAUSEWAY_CRASH_POINT("agent.attach.hello_sent");
  }
  if (!status.ok()) {
    // A mistake in the path is not mended by waiting; a session that was there once may come back.
    const bool final = session_id_ == 0 && absl::IsInvalidArgument(status);
    SetState(final ? State::kEnded : State::kConnecting, status);
    return;
  }
  ForkGuard::Remember(connection->fd());
  {
    absl::MutexLock lock(&mutex_);
    connection_ = std::make_shared<HandoffConnection>(*std::move(connection));
  }
  greeting_deadline_ = absl::Now() + options_.greeting_timeout;
  SetState(State::kGreeting, absl::OkStatus());
}

v1::Hello Attachment::Greeting() const {
  v1::Hello hello;
  hello.set_protocol_version(kProtocolVersion);
  hello.set_agent_name(options_.name);
  hello.set_nonce(nonce_);
  hello.set_hears_of_peers(true);
  if (session_id_ != 0) {
    hello.set_session_id(session_id_);
    hello.set_token(token_);
  }
  return hello;
}

std::optional<v1::Hello> Attachment::Farewell() {
  std::optional<v1::Hello> farewell;
  RunAfterEvents([&] {
    if (session_id_ == 0) return;
    farewell = Greeting();
    farewell->set_leaving(true);
  });
  return farewell;
}

bool Attachment::Drain() {
  for (int i = 0; i < kMaxEventsPerTurn; ++i) {
    absl::StatusOr<std::optional<HandoffMessage>> message = own_connection()->Receive();
    if (message.ok() && !message->has_value()) return true;
    const absl::Status status = message.ok() ? Handle(**std::move(message)) : message.status();
    if (!status.ok()) {
      Lose(status);
      return true;
    }
  }
  Wake();
  return false;
}

absl::Status Attachment::Handle(HandoffMessage message) {
  switch (message.event.event_case()) {
    case v1::HandoffEvent::kWelcome:
      return HandleWelcome(message.event.welcome());
    case v1::HandoffEvent::kRefused:
      return HandleRefused(message.event.refused());
    case v1::HandoffEvent::EVENT_NOT_SET:
      // An event of a newer coordinator, which this library cannot obey.
      return absl::OkStatus();
    default:
      if (state() != State::kAttached) {
        return absl::DataLossError("an event came before the coordinator's welcome");
      }
      return callbacks_.on_event(std::move(message));
  }
}

absl::Status Attachment::HandleWelcome(const v1::Welcome& welcome) {
  if (state() != State::kGreeting) return absl::DataLossError("a welcome out of turn");
  if (welcome.session_id() == 0 || welcome.token().size() != kTokenBytes) {
    return absl::DataLossError(absl::StrFormat("a welcome to session %d with a token of %d bytes",
                                               welcome.session_id(), welcome.token().size()));
  }
  if (session_id_ != 0 && (!welcome.resumed() || welcome.session_id() != session_id_)) {
    return absl::DataLossError(
        absl::StrFormat("session %d was to be resumed, and is answered with session %d",
                        session_id_, welcome.session_id()));
  }
  CAUSEWAY_CRASH_POINT("agent.attach.welcome_received");
  if (absl::Status status = callbacks_.on_welcome(welcome); !status.ok()) return status;
  session_id_ = welcome.session_id();
  token_ = welcome.token();
  pause_ = kFirstPause;
  SetState(State::kAttached, absl::OkStatus());
  CAUSEWAY_CRASH_POINT("agent.attach.attached");
  return absl::OkStatus();
}

absl::Status Attachment::HandleRefused(const v1::Refused& refused) {
  const auto code = static_cast<absl::StatusCode>(refused.code());
  absl::Status status(code == absl::StatusCode::kOk ? absl::StatusCode::kUnknown : code,
                      absl::StrCat("the coordinator of ", options_.dir,
                                   " refuses the attachment: ", refused.message()));
  if (WorthRetrying(code, session_id_ != 0)) return status;  // And the connection is dropped.
  // Told before it is seen: who waits for a connection in vain then asks for the reason.
  if (session_id_ != 0) callbacks_.on_refused(status);
  SetState(State::kEnded, status);
  return status;
}

void Attachment::Lose(const absl::Status& why) {
  const bool was_attached = state() == State::kAttached;
  {
    absl::MutexLock lock(&mutex_);
    ForkGuard::Forget(connection_->fd());
    connection_.reset();
  }
  SetState(State::kConnecting, why);
  if (was_attached) {
    next_attempt_ = absl::InfinitePast();
    callbacks_.on_lost(why);
    CAUSEWAY_CRASH_POINT("agent.attach.connection_lost");
  }
}

void Attachment::TakeTasks() {
  absl::MutexLock lock(&mutex_);
  taken_.insert(taken_.end(), tasks_.begin(), tasks_.end());
  tasks_.clear();
}

void Attachment::RunTasks() {
  for (Task* task : taken_) {
    task->body();
    absl::MutexLock lock(&mutex_);
    task->done = true;  // Its owner returns, and the task is gone.
  }
  taken_.clear();
}

}  // namespace causeway
