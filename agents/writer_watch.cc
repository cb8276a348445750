#include "agents/writer_watch.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <utility>

namespace causeway {
namespace {

// More are taken the next time.
constexpr int kMaxDeadPerTurn = 64;

}  // namespace

WriterWatch::WriterWatch() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

void WriterWatch::Watch(uint64_t session_id, UniqueFd pidfd) {
  absl::MutexLock lock(&mutex_);
  std::set<FollowedLane> lanes;
  if (const auto known = processes_.find(session_id); known != processes_.end()) {
    lanes.swap(known->second.lanes);
    EndLocked(known);
  }
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = session_id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pidfd.get(), &event) != 0) return;
  processes_[session_id] = {std::move(pidfd), std::move(lanes)};
}

void WriterWatch::Follow(uint64_t session_id, FollowedLane lane) {
  absl::MutexLock lock(&mutex_);
  const auto process = processes_.find(session_id);
  if (process != processes_.end()) process->second.lanes.insert(lane);
}

bool WriterWatch::Forget(FollowedLane lane) {
  return ForgetIf([lane](const FollowedLane& one) { return one == lane; }) > 0;
}

void WriterWatch::ForgetReader(uint64_t reader_id) {
  ForgetIf([reader_id](const FollowedLane& one) { return one.reader_id == reader_id; });
}

void WriterWatch::KeepOnly(uint64_t reader_id, const std::vector<uint64_t>& lane_ids) {
  ForgetIf([&](const FollowedLane& one) {
    return one.reader_id == reader_id &&
           std::find(lane_ids.begin(), lane_ids.end(), one.lane_id) == lane_ids.end();
  });
}

void WriterWatch::Restart() {
  absl::MutexLock lock(&mutex_);
  while (!processes_.empty()) EndLocked(processes_.begin());
}

size_t WriterWatch::ForgetIf(absl::FunctionRef<bool(const FollowedLane&)> chosen) {
  absl::MutexLock lock(&mutex_);
  for (auto it = processes_.begin(); it != processes_.end();) {
    const auto process = it++;
    const bool any = std::erase_if(process->second.lanes, chosen) > 0;
    if (any && process->second.lanes.empty()) EndLocked(process);
  }
  return std::erase_if(dead_, chosen);
}

void WriterWatch::EndLocked(Processes::iterator process) {
  // Closing the descriptor would not do: the coordinator has the same open file.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process->second.pidfd.get(), nullptr);
  processes_.erase(process);
}

std::vector<WriterWatch::FollowedLane> WriterWatch::TakeDead() {
  std::vector<FollowedLane> dead;
  std::array<epoll_event, kMaxDeadPerTurn> ready;
  absl::MutexLock lock(&mutex_);
  const int count = epoll_wait(epoll_.get(), ready.data(), ready.size(), 0);
  for (int i = 0; i < count; ++i) {
    const auto process = processes_.find(ready[static_cast<size_t>(i)].data.u64);
    if (process == processes_.end()) continue;
    for (const FollowedLane& lane : process->second.lanes) {
      if (dead_.insert(lane).second) dead.push_back(lane);
    }
    EndLocked(process);
  }
  return dead;
}

}  // namespace causeway
