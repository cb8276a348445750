#include "control/handoff/listener.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/log/log.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

// Before the other watches of the loop get their turn.
constexpr int kAcceptsPerTurn = 16;

UniqueFd SpareDescriptor() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool NoDescriptorLeft(int error) { return error == EMFILE || error == ENFILE; }

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(EventLoop* loop, std::string name,
                                                          UniqueFd listening,
                                                          std::function<void(UniqueFd)> connected,
                                                          std::function<void(int)> refused) {
  const int flags = fcntl(listening.get(), F_GETFL);
  if (flags < 0 || fcntl(listening.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    return StatusFromErrno(errno, {.operation = "fcntl", .path = name});
  }
  std::unique_ptr<Listener> listener(new Listener(loop, std::move(name), std::move(listening),
                                                  std::move(connected), std::move(refused)));
  if (absl::Status status = listener->Watch(); !status.ok()) return status;
  return listener;
}

Listener::Listener(EventLoop* loop, std::string name, UniqueFd listening,
                   std::function<void(UniqueFd)> connected, std::function<void(int)> refused)
    : loop_(loop),
      name_(std::move(name)),
      connected_(std::move(connected)),
      refused_(std::move(refused)),
      listening_(std::move(listening)),
      spare_(SpareDescriptor()) {}

absl::Status Listener::Watch() {
  absl::StatusOr<std::unique_ptr<LoopTimer>> timer =
      LoopTimer::Create(loop_, absl::ToChronoMilliseconds(kPause), [this] { GoOn(); });
  if (!timer.ok()) return timer.status();
  timer_ = *std::move(timer);
  absl::MutexLock lock(&mutex_);
  if (!spare_.valid()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "no descriptor left for ", name_, ": raise the limit of open files (ulimit -n)"));
  }
  absl::StatusOr<EventLoop::WatchId> watch =
      loop_->Add(listening_.get(), EPOLLIN, [this](uint32_t) { AcceptSome(); });
  if (!watch.ok()) return watch.status();
  watch_ = *watch;
  return absl::OkStatus();
}

void Listener::Close() {
  absl::MutexLock lock(&mutex_);
  if (!listening_.valid()) return;
  loop_->Remove(watch_);
  listening_.Reset();
}

void Listener::AcceptSome() {
  absl::MutexLock lock(&mutex_);
  for (int i = 0; i < kAcceptsPerTurn && listening_.valid(); ++i) {
    UniqueFd socket = AcceptLocked();
    if (!socket.valid()) {
      NotAcceptedLocked(errno);
      return;
    }
    paused_ = false;
    connected_(std::move(socket));
  }
}

UniqueFd Listener::AcceptLocked() {
  return UniqueFd(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

void Listener::NotAcceptedLocked(int error) {
  // Nobody waits, or whoever did has gone. If others do, the loop calls again.
  if (error == EAGAIN || error == ECONNABORTED || error == EINTR) return;
  if (NoDescriptorLeft(error) && RefuseOneLocked()) return;
  PauseLocked(error);
}

bool Listener::RefuseOneLocked() {
  spare_.Reset();
  UniqueFd socket = AcceptLocked();
  const bool accepted = socket.valid();
  if (accepted) refused_(socket.get());
  socket.Reset();
  spare_ = SpareDescriptor();
  return accepted;
}

void Listener::PauseLocked(int error) {
  if (!std::exchange(paused_, true)) {
    Log(LogLevel::kError, "no connection can be accepted",
        {{"reason", StatusFromErrno(error, {.operation = "accept4", .path = name_})},
         {"tried_again_each", absl::FormatDuration(kPause)}});
  }
  loop_->Change(watch_, 0);
  timer_->Arm();
}

void Listener::GoOn() {
  absl::MutexLock lock(&mutex_);
  if (listening_.valid()) loop_->Change(watch_, EPOLLIN);
}

}  // namespace causeway
